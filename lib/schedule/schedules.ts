import type { Engine, ScheduleStore } from '../engine/engine.js';
import {
  BackgroundMethodError,
  DuplicateTaskNameError,
  InvalidOptionError,
  ShutDownError,
} from '../errors/misuse.errors.js';
import { NotStorableError } from '../errors/storage.errors.js';
import type { TaskIntake } from '../intake/task-intake.js';
import type { Clock } from '../task/clock.js';
import type { ScheduleInfo, ScheduleOptions } from '../task/schedule-options.js';
import type { TaskOptions } from '../task/task-options.js';
import type { TaskDefinition } from '../task/task-registry.js';
import type { Task } from '../task/task.js';
import { LocalSchedules } from './local-schedules.js';
import { overlapKey, type Schedule } from './schedule.js';
import type { ScheduleLog } from './schedule-log.js';
import { StoredSchedules } from './stored-schedules.js';
import { timingOf } from './timing.js';

/** The schedules of an application: those in its code, and those added at run time. */
export class Schedules {
  private readonly local: LocalSchedules;
  private readonly stored = new Map<ScheduleStore, StoredSchedules>();
  /** The methods that have a schedule, by its name. */
  private readonly declared = new Map<string, string>();
  private hasStopped = false;

  constructor(
    private readonly intake: TaskIntake,
    private readonly engine: Engine,
    private readonly queues: readonly string[],
    private readonly clock: Clock,
    private readonly log: ScheduleLog,
  ) {
    this.local = new LocalSchedules(clock, (name, makeTask) => {
      try {
        this.intake.put(makeTask());
      } catch (error) {
        log.tickFailed(name, error); // the queue is full, for example: the next tick still comes
      }
    });
  }

  /**
   * Adds the schedule of a `@Background()` method, if it has one.
   *
   * @throws InvalidOptionError, BackgroundMethodError, MissingPeerError
   */
  declare(definition: TaskDefinition): void {
    const { declared: options, name, settings, method, member } = definition;
    if (options?.cron === undefined && options?.every === undefined) {
      return;
    }
    if (method.length > 0) {
      throw new BackgroundMethodError(
        member,
        'a schedule calls it without arguments, and it takes some. Give its parameters defaults, or ' +
          'add the schedule with TaskRunner.addSchedule(), which passes arguments.',
      );
    }
    const { cron, timeZone, every, missed, overlap } = options;
    const own = { cron, timeZone, every, missed, overlap };
    const call = callOptions(own, settings.dedupe !== undefined, name);
    const timing = timingOf(own, `@Background() on ${member}`);
    if (timing.after(this.clock.wall()) === undefined) {
      this.log.isOver(name, String(cron)); // the application starts all the same: the date was once ahead
    }
    const schedule: Schedule = {
      name,
      queue: settings.queue,
      options: own,
      timing,
      makeTask: () => this.intake.maker.ofDefinition(definition, call),
    };
    const other = this.declared.get(name);
    if (other !== undefined) {
      throw new DuplicateTaskNameError(name, other, member); // of two in memory, one would not tick
    }
    this.declared.set(name, member);
    const stored = this.storedFor(settings.queue);
    if (stored === undefined) {
      this.local.put(schedule);
    } else {
      stored.declare(schedule);
    }
  }

  /**
   * @param call a function and its arguments
   * @throws BackgroundTasksError if the options or the call are invalid
   */
  async add(
    name: string,
    options: ScheduleOptions,
    task: TaskOptions,
    call: readonly unknown[],
  ): Promise<void> {
    if (this.declared.has(name)) {
      throw new InvalidOptionError(
        'schedule.name',
        `'${name}' is the schedule of a @Background() method. Change it there, or choose another name.`,
      );
    }
    const timing = timingOf(options, 'schedule');
    if (timing.after(this.clock.wall()) === undefined) {
      throw new InvalidOptionError('schedule.cron', `'${options.cron}' lies in the past.`);
    }
    const own = callOptions(options, task.dedupe !== undefined, name);
    const makeTask = (): Task => this.intake.maker.ofCall([{ ...task, ...own }, ...call]);
    const sample = makeTask();
    if (this.hasStopped) {
      throw new ShutDownError(sample.name);
    }
    const { queue } = sample;
    const stored = this.storedFor(queue);
    if (stored === undefined) {
      this.local.put({ name, queue, options, timing, makeTask });
    } else if (sample.stored === undefined) {
      throw new NotStorableError(sample.name, queue, 'it was not written down.');
    } else {
      const { name: called, stored: written } = sample;
      await stored.put(name, { options, queue, call: { name: called, stored: written } });
      this.local.remove(name);
    }
    // An earlier schedule of this name may be in the store of another engine.
    await this.removeStored(name, true, stored);
  }

  async list(): Promise<ScheduleInfo[]> {
    const now = this.clock.wall();
    const local = Array.from(this.local.all(), ({ name, queue, options, timing }) => {
      return { ...options, name, queue, nextAt: timing.after(now) };
    });
    const stored = await Promise.all([...this.stored.values()].map((each) => each.all()));
    return [
      ...local,
      ...stored.flatMap((records) =>
        records.map(([name, { queue, options }, next]) => {
          return { ...options, name, queue, nextAt: Number.isFinite(next) ? next : undefined };
        }),
      ),
    ];
  }

  /** @returns whether there was such a schedule */
  async remove(name: string): Promise<boolean> {
    const isLocal = this.local.remove(name);
    const isStored = await this.removeStored(name, isLocal);
    this.declared.delete(name);
    return isLocal || isStored;
  }

  /** @param mayFail whether a store that is away is only logged: the schedule may be elsewhere */
  private async removeStored(
    name: string,
    mayFail: boolean,
    except?: StoredSchedules,
  ): Promise<boolean> {
    const others = [...this.stored].filter(([, each]) => each !== except);
    const removed = others.map(([store, each]) =>
      each.remove(name).catch((error: unknown) => {
        if (!mayFail) throw error;
        this.log.storeFailed(store, error);
        return false;
      }),
    );
    return (await Promise.all(removed)).includes(true);
  }

  /** Other processes may have stored schedules for any queue. */
  start(): void {
    this.queues.forEach((queue) => this.storedFor(queue));
    this.local.start();
    this.stored.forEach((each) => each.start());
  }

  /** Resolves when no tick is on its way to a store. */
  async stop(): Promise<void> {
    this.hasStopped = true;
    this.local.stop();
    await Promise.all([...this.stored.values()].map((each) => each.stop()));
  }

  private storedFor(queue: string): StoredSchedules | undefined {
    const store = this.engine.supportOf(queue).schedules;
    if (store === undefined) {
      return undefined;
    }
    let stored = this.stored.get(store);
    if (stored === undefined) {
      const { intake, log } = this;
      stored = new StoredSchedules({
        store,
        clock: this.clock,
        knows: (name) => intake.knows(name),
        restore: (from, call) => intake.makeStored(call.name, from, call.stored),
        stored: (task) => intake.stored(task),
        notStored: (task) => intake.forget(task),
        tickFailed: (name, error) => log.tickFailed(name, error),
        failed: (error) => log.storeFailed(store, error),
        recovered: () => log.storeRecovered(store),
        missed: (name, count, policy) => log.ticksMissed(name, count, policy),
      });
      this.stored.set(store, stored);
    }
    return stored;
  }
}

/** `overlap: 'skip'` works by a dedupe key of the schedule, unless the task has a key of its own. */
function callOptions(
  { overlap = 'skip' }: ScheduleOptions,
  hasKey: boolean,
  name: string,
): TaskOptions | undefined {
  return overlap === 'skip' && !hasKey ? { dedupe: { key: overlapKey(name) } } : undefined;
}
