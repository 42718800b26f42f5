import { expect, it } from '@jest/globals';
import type { Engine, ScheduleStore } from '../../../lib/engine/engine.js';
import type { TaskIntake } from '../../../lib/intake/task-intake.js';
import { ScheduleLog } from '../../../lib/schedule/schedule-log.js';
import { Schedules } from '../../../lib/schedule/schedules.js';
import { LogBook } from '../../support/log-book.js';
import { FakeClock } from '../support/fake-clock.js';

const away = (): Promise<never> => Promise.reject(new Error('away'));

it('a schedule in memory is added while the store of another queue is away, which is logged', async () => {
  const store: ScheduleStore = { load: away, swap: away };
  const engine = {
    supportOf: (queue: string) => ({ schedules: queue === 'stored' ? store : undefined }),
  } as unknown as Engine;
  const intake = {
    maker: { ofCall: () => ({ name: 'work', queue: 'default' }) },
  } as unknown as TaskIntake;
  const book = new LogBook();
  const queues = ['default', 'stored'];
  const schedules = new Schedules(intake, engine, queues, new FakeClock(), new ScheduleLog(book));
  schedules.start();
  await schedules.add('often', { every: '1h' }, {}, []);
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
])('schedules whose store is away do not go on because of %s', async (_what, queues, AnyClock) => {
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
  const schedules = new Schedules({} as TaskIntake, engine, queues, clock, new ScheduleLog(book));
  schedules.start();
  await clock.advance(60_000);
  expect(book.lines).toHaveLength(1);
  await schedules.stop();
});
