import { expect, it } from '@jest/globals';
import type { Engine, ScheduleStore } from '../../../lib/engine/engine.js';
import type { TaskIntake } from '../../../lib/intake/task-intake.js';
import { QueueFullError } from '../../../lib/errors/queue-full.error.js';
import { Log } from '../../../lib/observe/log.js';
import { ScheduleLog } from '../../../lib/schedule/schedule-log.js';
import { TaskLog } from '../../../lib/observe/task-log.js';
import { Schedules } from '../../../lib/schedule/schedules.js';
import { LogBook } from '../../support/log-book.js';
import { FakeClock } from '../support/fake-clock.js';

const logIn = (book: LogBook): ScheduleLog => new ScheduleLog(book, (_, tell) => tell(1));
const full = (): never => {
  throw new QueueFullError('default', 1);
};
const away = (): Promise<never> => Promise.reject(new Error('away'));

it('a schedule in memory is added and removed, with a log line, while the store of another queue is away', async () => {
  const store: ScheduleStore = { load: away, swap: away };
  const engine = {
    supportOf: (queue: string) => ({ schedules: queue === 'stored' ? store : undefined }),
  } as unknown as Engine;
  const intake = {
    maker: { ofCall: () => ({ name: 'work', queue: 'default' }) },
  } as unknown as TaskIntake;
  const book = new LogBook();
  const queues = ['default', 'stored'];
  const schedules = new Schedules(intake, engine, queues, new FakeClock(), logIn(book));
  schedules.start();
  await schedules.add('often', { every: '1h' }, {}, []);
  expect(await schedules.remove('often')).toBe(true);
  await expect(schedules.remove('often')).rejects.toThrow('away');
  expect(book.lines).toMatchObject([{ message: expect.stringContaining('away') }]);
  await schedules.stop();
});

/** Its timers are a little early, as those of Node.js may be. */
class EarlyClock extends FakeClock {
  override after(delayMs: number, callback: () => void): () => void {
    return super.after(Math.max(0, delayMs - 0.5), callback);
  }
}

it.each([
  ['a timer that is early', ['away'], EarlyClock],
  ['the store of another queue', ['away', 'here'], FakeClock],
])('schedules without their store do not go on because of %s', async (_what, queues, AnyClock) => {
  const clock = new AnyClock();
  const here: ScheduleStore = {
    load: async () => ({ now: clock.now(), records: new Map() }),
    swap: async () => 'done',
  };
  const gone: ScheduleStore = { load: away, swap: away };
  const engine = {
    supportOf: (queue: string) => ({ schedules: queue === 'here' ? here : gone }),
  } as unknown as Engine;
  const book = new LogBook();
  const schedules = new Schedules({} as TaskIntake, engine, queues, clock, logIn(book));
  schedules.start();
  await clock.advance(60_000);
  expect(book.lines).toHaveLength(1);
  await schedules.stop();
});

it('ticks that find their queue full are one line at most every 10 s, with their number', async () => {
  const clock = new FakeClock();
  const book = new LogBook();
  const intake = {
    maker: { ofCall: () => ({ name: 'work', queue: 'default' }) },
    put: full,
  } as unknown as TaskIntake;
  const engine = { supportOf: () => ({}) } as unknown as Engine;
  const taskLog = new TaskLog(new Log(book), clock);
  const log = new ScheduleLog(book, (kind, tell) => taskLog.inMasses(kind, tell));
  const schedules = new Schedules(intake, engine, ['default'], clock, log);
  schedules.start();
  await schedules.add('often', { every: '1s' }, {}, []);
  await schedules.add('seldom', { every: '9s' }, {}, []);
  await clock.advance(10_500);
  const lines = book.lines.map(({ message }) => message.replace(/: .*/, ''));
  expect(lines).toEqual([
    'Schedule "often" could not add the task of a tick',
    'Schedule "seldom" could not add the task of a tick',
  ]);
  await schedules.stop();
  taskLog.end();
  expect(book.lines.slice(2)).toMatchObject([
    {
      message: expect.stringMatching(
        /"often" .* of a tick, and of 8 more since the previous line: Queue/,
      ),
    },
  ]);
});
