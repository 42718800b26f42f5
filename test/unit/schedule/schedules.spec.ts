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
