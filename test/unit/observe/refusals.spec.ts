import { describe, expect, it } from '@jest/globals';
import { QueueFullError } from '../../../lib/index.js';
import { Refusals } from '../../../lib/observe/refusals.js';
import { Log } from '../../../lib/observe/log.js';
import { TaskLog } from '../../../lib/observe/task-log.js';
import { FakeClock } from '../support/fake-clock.js';
import { LogBook } from '../../support/log-book.js';
import { bareTask } from '../support/tasks.js';

function start() {
  const clock = new FakeClock();
  const told: [queue: string, count: number][] = [];
  const refusals = new Refusals(clock);
  const refuse = (queue: string) => refusals.add(queue, (count) => told.push([queue, count]));
  return { clock, told, refusals, refuse };
}

describe('O2: the refusal of requests', () => {
  it('is logged at once, and then with a count each ten seconds', async () => {
    const { clock, told, refuse } = start();
    Array.from({ length: 1_000 }, () => refuse('mails'));
    refuse('images');
    expect(told).toEqual([
      ['mails', 1],
      ['images', 1],
    ]);
    await clock.advance(10_000);
    refuse('mails');
    await clock.advance(30_000);
    expect(told.slice(2)).toEqual([
      ['mails', 999],
      ['mails', 1],
    ]);
    expect(clock.pendingTimers).toBe(0);
    refuse('mails');
    expect(told).toHaveLength(5);
  });

  it('is counted once per error', () => {
    const logger = new LogBook();
    const log = new TaskLog(new Log(logger), new FakeClock());
    const error = new QueueFullError('mails', 1);
    log.refused(error);
    log.refused(error);
    log.end();
    expect(logger.of('warn')).toEqual([expect.stringContaining('Refused a request')]);
  });

  it('is logged with the last count at the end', () => {
    const { clock, told, refusals, refuse } = start();
    Array.from({ length: 3 }, () => refuse('mails'));
    refusals.end();
    expect(told).toEqual([
      ['mails', 1],
      ['mails', 2],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });
});

it('O2: ended connections with unread answers are one line for the first, and one for all others', async () => {
  const clock = new FakeClock();
  const logger = new LogBook();
  const log = new TaskLog(new Log(logger), clock);
  Array.from({ length: 1_000 }, () => log.unread(100));
  const first = 'Ended a connection on which 100 tasks waited';
  expect(logger.of('warn')).toEqual([expect.stringContaining(first)]);
  await clock.advance(10_000);
  expect(logger.of('warn').slice(1)).toEqual([
    expect.stringContaining('Ended 999 more connections, the last one with 100 tasks that waited'),
  ]);
});

describe('O10: trouble of all tasks of a queue', () => {
  const KINDS: [string, (log: TaskLog, name: string) => void][] = [
    ['dropped by the store', (log, name) => log.dropped(bareTask(name), 'not-stored')],
    ['dropped to make room', (log, name) => log.dropped(bareTask(name), 'overflow')],
    ['kept in memory', (log, name) => log.fellBack(bareTask(name))],
    ['put off', (log, name) => log.putOff(bareTask(name), new Error('disk full'), 1_000)],
  ];

  it.each(KINDS)(
    'is one line for the first task, and one for all others: %s',
    async (_, happen) => {
      const clock = new FakeClock();
      const logger = new LogBook();
      const log = new TaskLog(new Log(logger), clock);
      Array.from({ length: 10_000 }, (__, index) => happen(log, `task ${index}`));
      expect(logger.of('warn')).toEqual([expect.stringMatching(/^Task task 0 .*(?<!others.*)$/)]);
      await clock.advance(10_000);
      expect(logger.of('warn').slice(1)).toEqual([
        expect.stringMatching(
          /^Task task 9999 .* 9998 more tasks of its queue since the previous line/,
        ),
      ]);
      await clock.advance(10_000);
      happen(log, 'later');
      expect(logger.of('warn').slice(2)).toEqual([expect.stringMatching(/^Task later /)]);
    },
  );
});
