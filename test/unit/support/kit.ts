import { BackgroundTasks } from '../../../lib/request/background-tasks.js';
import { TaskIntake } from '../../../lib/intake/task-intake.js';
import { createEngine } from '../../../lib/create-engine.js';
import type { TaskEvent } from '../../../lib/observe/task-event.js';
import { TaskEvents } from '../../../lib/observe/task-events.js';
import { Observer } from '../../../lib/observe/observer.js';
import { Log } from '../../../lib/observe/log.js';
import { TaskLog } from '../../../lib/observe/task-log.js';
import { TaskRecords } from '../../../lib/observe/task-records.js';
import { TaskStats } from '../../../lib/observe/task-stats.js';
import type { BackgroundTasksOptions } from '../../../lib/options/module-options.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import type { RequestLife } from '../../../lib/request/request-life.js';
import { Requests } from '../../../lib/request/requests.js';
import { AttemptHooks } from '../../../lib/run/attempt-hooks.js';
import { TaskRunner } from '../../../lib/run/task-runner.js';
import { ScheduleLog } from '../../../lib/schedule/schedule-log.js';
import { Schedules } from '../../../lib/schedule/schedules.js';
import { TaskWorker } from '../../../lib/run/task-worker.js';
import { ambient } from '../../../lib/task/ambient.js';
import { TaskRegistry } from '../../../lib/task/task-registry.js';
import { FakeClock } from './fake-clock.js';
import { LogBook } from '../../support/log-book.js';

export type Kit = ReturnType<typeof createKit>;

interface KitSetting {
  /** For the jitter of retries. */
  readonly random?: () => number;
  /** Whether tasks are attempted from the beginning. */
  readonly isStarted?: boolean;
}

/** The rooms of the library put together as the module does it, around a clock that stands still. */
export function createKit(
  options: BackgroundTasksOptions = {},
  { random = () => 0.5, isStarted = true }: KitSetting = {},
) {
  const clock = new FakeClock();
  const logger = new LogBook();
  const log = new TaskLog(new Log(logger), clock);
  const events = new TaskEvents(clock, (error) => log.listenerFailed(error));
  const resolved = new ResolvedOptions(options);
  const records = new TaskRecords(resolved.remember);
  const stats = new TaskStats();
  const observer = new Observer(stats, records, events, log);
  const worker = new TaskWorker(clock, random, observer);
  const engine = createEngine(resolved, worker, clock, logger);
  const registry = new TaskRegistry();
  const intake = new TaskIntake(resolved, registry, engine, observer, clock);
  const requests = new Requests(intake, engine, observer, resolved.request, clock);
  const hooks = new AttemptHooks((error) => log.hookFailed(error));
  const schedules = new Schedules(
    intake,
    engine,
    [...resolved.queues.keys()],
    clock,
    new ScheduleLog(logger, (_, tell) => tell(1)),
  );
  const runner = new TaskRunner(
    intake,
    engine,
    resolved,
    records,
    stats,
    clock,
    events,
    hooks,
    requests,
    schedules,
  );
  if (isStarted) {
    void engine.start();
  }

  return {
    clock,
    logger,
    engine,
    intake,
    requests,
    runner,

    record: () => recordOf(runner),

    handle: <T>(handler: Handler<T>) =>
      handleMessage(requests, (life) => new BackgroundTasks(intake, life, true), handler),
  };
}

/** The events from here on, as they come in. */
export function recordOf(runner: TaskRunner): TaskEvent[] {
  const recorded: TaskEvent[] = [];
  runner.events.subscribe((event) => recorded.push(event));
  return recorded;
}

type Handler<T> = (tasks: BackgroundTasks) => T | Promise<T>;

/**
 * Handles a request that has no response to wait for, as a message has none: its tasks are released,
 * or dropped, when `handler` ends.
 */
export function handleMessage<T>(
  requests: Requests,
  tasksOf: (life: RequestLife) => BackgroundTasks | Promise<BackgroundTasks>,
  handler: Handler<T>,
): Promise<T> {
  const life = requests.beginMessage();
  return ambient.run(life, async () => {
    const made = tasksOf(life);
    // Not awaited where it is there: the handler begins at once.
    const tasks = made instanceof Promise ? await made : made;
    try {
      const result = await handler(tasks);
      await life.end(true);
      return result;
    } catch (error) {
      await life.end(false);
      throw error;
    }
  });
}
