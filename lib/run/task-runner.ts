import type { Observable } from 'rxjs';
import { TaskChain } from '../intake/task-chain.js';
import type { TaskIntake } from '../intake/task-intake.js';
import { TransactionTasks } from '../intake/transaction-tasks.js';
import type { Engine } from '../engine/engine.js';
import type { KeptTasks } from '../engine/kept-tasks.js';
import type { TaskEvent } from '../observe/task-event.js';
import type { TaskEvents } from '../observe/task-events.js';
import { describeTask } from '../observe/describe-task.js';
import type { TaskInfo } from '../task/task-info.js';
import type { TaskRecords } from '../observe/task-records.js';
import type { TaskStats } from '../observe/task-stats.js';
import { checkFiniteCount, checkShape } from '../options/checks.js';
import type { CarryOptions } from '../options/module-options.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import { checkScheduleOptions } from '../options/task-options.shape.js';
import type { Schedules } from '../schedule/schedules.js';
import type { ScheduleInfo, ScheduleOptions } from '../task/schedule-options.js';
import type { MethodIntake } from '../task/ambient.js';
import type { Clock } from '../task/clock.js';
import { heldBy } from '../task/held.js';
import type { TaskStatus } from '../task/outcome.js';
import { isId } from '../task/position.js';
import type { Task } from '../task/task.js';
import { TaskHandle } from '../task/task-handle.js';
import type { NotAFunction, ResultOf, TaskOptions } from '../task/task-options.js';
import type { TransactionClient } from '../task/transaction-client.js';
import type { AroundAttempt, AttemptHooks } from './attempt-hooks.js';
import { BulkOfFailed } from './bulk-of-failed.js';
import {
  checkFailedFilter,
  countTasks,
  listFailed,
  listTasks,
  type FailedFilter,
  type FailedTasksQuery,
  type TaskFilter,
  type TaskSources,
} from './task-list.js';
import { statisticsOf, type TaskStatistics } from './task-statistics.js';

interface TaskRunnerParts extends TaskSources {
  readonly intake: TaskIntake;
  readonly options: ResolvedOptions;
  readonly taskStats: TaskStats;
  readonly clock: Clock;
  readonly events: Observable<TaskEvent>;
  readonly onStart: TaskEvents['onStart'];
  readonly hooks: AttemptHooks;
  readonly schedules: Schedules;
}

/** Hidden from code that enumerates objects, yet reachable through a Proxy around the runner. */
const PARTS = Symbol('nestjs-background-tasks:runner');

/**
 * Adds tasks outside a request, and controls all tasks. Inject it into cron jobs, event handlers,
 * message consumers and scripts. It is a singleton, so classes that inject it can be singletons,
 * too.
 */
export class TaskRunner {
  declare private readonly [PARTS]: TaskRunnerParts;

  /** @internal */
  constructor(
    intake: TaskIntake,
    engine: Engine,
    options: ResolvedOptions,
    records: TaskRecords,
    taskStats: TaskStats,
    clock: Clock,
    taskEvents: TaskEvents,
    hooks: AttemptHooks,
    requests: TaskSources['requests'],
    schedules: Schedules,
  ) {
    const held = { intake, engine, options, records, taskStats, clock, hooks, requests, schedules };
    const { stream: events, onStart } = taskEvents;
    Object.defineProperty(this, PARTS, { value: { ...held, events, onStart } });
  }

  /** @internal Identifies the application to code inside its tasks and requests. */
  get home(): MethodIntake {
    return partsOf(this).intake;
  }

  /** @internal Calls `act` at the end of the application's start, which fails if it throws. */
  atStart(act: () => void): void {
    partsOf(this).onStart.push(act);
  }

  /**
   * Everything that happens to tasks from now on. An error in a listener is logged and affects
   * nothing else. Completes when the application has shut down.
   */
  get events(): Observable<TaskEvent> {
    return partsOf(this).events;
  }

  /**
   * Queues a task at once, with its own options.
   *
   * @param options options of this call; they override those of the method, the queue and the
   * module
   * @param fn any function, or a `@Background()` method
   * @param args the arguments of `fn`
   * @returns a handle of the task
   * @throws NotAFunctionError, QueueFullError, ShutDownError, UnknownOptionError,
   * InvalidOptionError, UnknownQueueError
   */
  addTask<Args extends unknown[], Returned>(
    options: TaskOptions & NotAFunction,
    fn: (...args: Args) => Returned,
    ...args: NoInfer<Args>
  ): TaskHandle<ResultOf<Returned>>;
  /**
   * Queues a task at once, even while a request is handled: the task does not belong to the
   * request, and does not wait for its response.
   *
   * @param fn any function, or a `@Background()` method
   * @param args the arguments of `fn`
   * @returns a handle of the task
   * @throws NotAFunctionError, QueueFullError, ShutDownError
   */
  addTask<Args extends unknown[], Returned>(
    fn: (...args: Args) => Returned,
    ...args: NoInfer<Args>
  ): TaskHandle<ResultOf<Returned>>;
  addTask(...call: unknown[]): TaskHandle {
    return partsOf(this).intake.add(call, undefined);
  }

  /**
   * Begins a chain. Each task starts when the one before it has completed; otherwise it is dropped.
   */
  chain(): TaskChain {
    const { intake } = partsOf(this);
    return new TaskChain((call, chain) => intake.add(call, undefined, chain));
  }

  /**
   * Adds tasks inside your own transaction: they exist only if it commits, and start then. For
   * queues that BullMQ keeps in the same PostgreSQL database.
   *
   * @param client the connection on which the transaction is open
   * @returns an object that adds tasks as long as the transaction is open
   */
  using(client: TransactionClient): TransactionTasks {
    const { intake, engine } = partsOf(this);
    return new TransactionTasks({ intake, engine, client });
  }

  /**
   * Adds a schedule, or changes the one with this name: at each tick one task is added. A durable
   * engine stores the schedule, too. It outlives the process, and any process that has the method
   * makes its ticks, each once.
   *
   * @param options the name of the schedule, when it ticks, and the options of its tasks
   * @param fn any function, or a `@Background()` method; only the latter with a durable engine
   * @param args the arguments of `fn` at each tick
   * @throws NotAFunctionError, NotStorableError, ShutDownError, StoreUnavailableError,
   * MissingPeerError, UnknownOptionError, InvalidOptionError, UnknownQueueError
   */
  async addSchedule<Args extends unknown[]>(
    options: ScheduleOptions & TaskOptions & { name: string } & NotAFunction,
    fn: (...args: Args) => unknown,
    ...args: NoInfer<Args>
  ): Promise<void> {
    const { schedules } = partsOf(this);
    checkScheduleOptions(options, 'schedule');
    const { name, cron, timeZone, every, missed, overlap, ...task } = options;
    await schedules.add(name, { cron, timeZone, every, missed, overlap }, task, [fn, ...args]);
  }

  /** The schedules of this application, and those in the stores of its engines. */
  listSchedules(): Promise<ScheduleInfo[]> {
    return partsOf(this).schedules.list();
  }

  /**
   * Removes a schedule. Tasks that it has added stay. A schedule declared with `@Background()` is
   * removed for this process only, and comes back with the next one.
   *
   * @param name the name of the schedule; for a `@Background()` method the name of its task
   * @returns whether there was one
   */
  removeSchedule(name: string): Promise<boolean> {
    return partsOf(this).schedules.remove(name);
  }

  /**
   * The task with this id, if it is unsettled or still remembered.
   *
   * @param id as `TaskHandle.id`
   */
  async get(id: string): Promise<TaskInfo | undefined> {
    const task = partsOf(this).records.get(id);
    const isHere = task !== undefined && !task.isOver;
    const stored = isHere
      ? undefined
      : await storeFor(partsOf(this), id, task)?.find(id, task?.queue);
    return stored ?? (task && describeTask(task));
  }

  /**
   * Lists the unsettled tasks first, in no particular order, then the remembered ones of each
   * status, the latest first. With `status: 'failed'` it lists all dead letters, page by page:
   * `after` is the `cursor` of the last task of a page.
   *
   * @param filter what the tasks have in common, and how many to list: 100 by default
   * @throws InvalidOptionError, UnknownQueueError
   */
  async list(filter: TaskFilter = {}): Promise<TaskInfo[]> {
    return listTasks(filter, partsOf(this), partsOf(this).options);
  }

  /**
   * The number of tasks in each status. For BullMQ these are its own counts: `delayed` includes
   * tasks that wait for a retry, for another task or for their response, and `completed` includes
   * cancelled and dropped ones.
   *
   * @param queue the name of the queue; all queues by default
   * @throws UnknownQueueError
   */
  async counts(queue?: string): Promise<Record<TaskStatus, number>> {
    partsOf(this).options.requireQueue(queue);
    return countTasks(queue, partsOf(this));
  }

  /**
   * Forgets a task that has settled.
   *
   * @param id as `TaskHandle.id`
   * @returns whether there was one with this id
   */
  async forget(id: string): Promise<boolean> {
    const task = partsOf(this).records.get(id);
    const isForgotten = task?.outcome !== undefined && partsOf(this).records.remove(task);
    return (await storeFor(partsOf(this), id)?.forget(id)) || isForgotten;
  }

  /**
   * Keeps a task from starting, or aborts its `signal` if it runs. No further attempt follows.
   *
   * @param id as `TaskHandle.id`
   * @returns whether there was such a task, with anything left to cancel
   */
  async cancel(id: string): Promise<boolean> {
    const task = partsOf(this).records.get(id);
    const isHere = task !== undefined && !task.isOver;
    return isHere
      ? partsOf(this).engine.cancel(task)
      : ((await storeFor(partsOf(this), id)?.cancel?.(id)) ?? false);
  }

  /**
   * Queues a failed task again, with the same call and the same id. Its attempts start anew.
   *
   * @param id as `TaskHandle.id`
   * @returns `undefined` if no failed task with this id is remembered
   */
  async retry(id: string): Promise<TaskHandle | undefined> {
    const known = partsOf(this).records.get(id);
    const kept = storeFor(partsOf(this), id, known);
    const stored = await kept?.retry(id, known?.queue);
    if (stored !== undefined) {
      return new TaskHandle(stored);
    }
    // The store may have the task in another state: another process may have retried it.
    const isStored = known?.isFromStore && (await kept?.find(id, known.queue)) !== undefined;
    const task = isStored ? undefined : partsOf(this).records.get(id);
    return task?.status === 'failed' ? partsOf(this).intake.again(task) : undefined;
  }

  /**
   * Queues all matching failed tasks again, beginning with the one that failed first; see {@link
   * retry}. Tasks that fail after the call are not included.
   *
   * @param filter what the tasks have in common
   * @param options `rate`: the maximum number of tasks per second
   * @returns how many tasks were queued
   * @throws InvalidOptionError, UnknownQueueError, ShutDownError, StoreUnavailableError; an
   * AggregateError at the end if some could not be queued again
   */
  async retryAll(filter: FailedFilter = {}, options: { rate?: number } = {}): Promise<number> {
    const parts = partsOf(this);
    checkShape<{ rate?: number }>(options, 'options', { rate: checkFiniteCount });
    return inBulk(
      parts,
      filter,
      async (task) => (await this.retry(task.id)) !== undefined,
      options.rate,
    );
  }

  /**
   * Forgets all matching failed tasks.
   *
   * @param filter what the tasks have in common
   * @returns how many tasks were forgotten
   * @throws InvalidOptionError, UnknownQueueError, StoreUnavailableError
   */
  async forgetAll(filter: FailedFilter = {}): Promise<number> {
    return inBulk(partsOf(this), filter, (task) => this.forget(task.id));
  }

  /**
   * Starts no more tasks of a queue, or of all queues. Running tasks go on, and tasks can be added.
   *
   * @param queue the name of the queue; all queues by default
   * @param scope `everywhere: true` pauses it in all processes that share the queue, and in those
   * that start later, until it is resumed everywhere
   * @throws UnknownQueueError, StoreUnavailableError
   */
  async pause(queue?: string, scope: { readonly everywhere?: boolean } = {}): Promise<void> {
    partsOf(this).options.requireQueue(queue);
    await partsOf(this).engine.setPaused(true, queue, scope.everywhere);
  }

  /**
   * Ends a {@link pause}.
   *
   * @param queue the name of the queue; all queues by default
   * @param scope `everywhere: true` resumes the queue in all processes
   * @throws UnknownQueueError, StoreUnavailableError
   */
  async resume(queue?: string, scope: { readonly everywhere?: boolean } = {}): Promise<void> {
    partsOf(this).options.requireQueue(queue);
    await partsOf(this).engine.setPaused(false, queue, scope.everywhere);
  }

  /**
   * Calls `hook` around the body of every attempt from now on, for example to open a trace. An
   * error in a hook is logged.
   *
   * @param hook receives the task and its body, which it calls once
   * @returns a function that removes the hook
   */
  around(hook: AroundAttempt): () => void {
    return partsOf(this).hooks.add(hook);
  }

  /**
   * Stores more context with tasks from now on, besides the module's option `carry`. For modules
   * that have their own context.
   *
   * @param name the name under which the context is stored, the same in every process
   * @param carrier captures the context where a task is added, and restores it where the task runs
   * @returns a function that removes the carrier
   */
  carry(name: string, carrier: CarryOptions): () => void {
    return partsOf(this).options.carriers.add(name, carrier);
  }

  /** Rejects with the reason if an engine cannot reach its store. */
  async ping(): Promise<void> {
    await partsOf(this).engine.ping();
  }

  /** Resolves when every task has settled, including those of open requests. */
  whenIdle(): Promise<void> {
    partsOf(this).intake.askedForAll();
    return partsOf(this).engine.whenIdle();
  }

  /** The figures of this process since the application started, per queue and per task name. */
  async stats(): Promise<TaskStatistics> {
    const { taskStats, engine, clock } = partsOf(this);
    const states = engine.states();
    // Without a store to ask, the figures are a snapshot of this moment.
    return statisticsOf(taskStats, states instanceof Promise ? await states : states, clock.now());
  }
}

function partsOf(runner: TaskRunner): TaskRunnerParts {
  return heldBy(runner, PARTS) as TaskRunnerParts;
}

/** The store that may know more about a task. A task that settled outside of any store has none. */
function storeFor(parts: TaskRunnerParts, id: string, task?: Task): KeptTasks | undefined {
  const isStored = task?.outcome === undefined || task.isFromStore;
  return isStored && isId(id) ? parts.engine.kept : undefined;
}

function inBulk(
  parts: TaskRunnerParts,
  filter: FailedFilter,
  act: (task: TaskInfo) => Promise<boolean>,
  rate?: number,
): Promise<number> {
  checkFailedFilter(filter, parts.options);
  const list = (query: FailedTasksQuery): Promise<TaskInfo[]> => listFailed(query, parts);
  return new BulkOfFailed(list, act, parts.clock, rate).run(filter);
}
