/**
 * The package itself: `import { … } from 'nestjs-background-tasks'`.
 *
 * @module main
 */

export { BackgroundTasksModule } from './background-tasks.module.js';
export type {
  BackgroundTasksAsyncOptions,
  BackgroundTasksOptionsFactory,
} from './background-tasks.module-definition.js';
export type { EngineFactory } from './engine/engine.js';
export { Background } from './intake/background.decorator.js';
export { BackgroundTasks } from './request/background-tasks.js';
export { TaskChain } from './intake/task-chain.js';
export { TransactionTasks } from './intake/transaction-tasks.js';
export { Tasks } from './request/tasks.decorator.js';
export { BackgroundTasksError } from './errors/background-tasks.error.js';
export {
  AmbiguousTaskError,
  BackgroundMethodError,
  DuplicateModuleError,
  DuplicateTaskNameError,
  InvalidOptionError,
  NoRequestError,
  NotAFunctionError,
  ShutDownError,
  UnknownOptionError,
  UnknownQueueError,
  UnknownTaskError,
} from './errors/misuse.errors.js';
export { MissingPeerError } from './errors/missing-peer.error.js';
export { QueueFullError } from './errors/queue-full.error.js';
export {
  JournalError,
  NotStorableError,
  StoreUnavailableError,
  TaskCrashedError,
  TransactionError,
  UnsupportedOptionError,
} from './errors/storage.errors.js';
export type { TaskEvent } from './observe/task-event.js';
export type { TaskInfo } from './task/task-info.js';
export type { TaskFigures } from './observe/task-stats.js';
export type {
  BackgroundTasksOptions,
  CarryOptions,
  QueueOptions,
  RateLimitOptions,
  RequestOptions,
  TaskDefaults,
} from './options/module-options.js';
export { BackgroundTasksInterceptor } from './request/background-tasks.interceptor.js';
export type { AroundAttempt } from './run/attempt-hooks.js';
export { currentTask, type CurrentTask } from './run/current-task.js';
export type { TaskFilter } from './run/task-list.js';
export { TaskRunner } from './run/task-runner.js';
export type { QueueFigures, TaskStatistics } from './run/task-statistics.js';
export type { Duration } from './task/duration.js';
export type { DropReason, Outcome, TaskStatus } from './task/outcome.js';
export type { ProcessUsage } from './task/process-usage.js';
export type { ScheduleInfo, ScheduleOptions } from './task/schedule-options.js';
export { TaskHandle } from './task/task-handle.js';
export type { TransactionClient } from './task/transaction-client.js';
export type {
  BackgroundOptions,
  BackoffFunction,
  BatchOptions,
  DedupeOptions,
  KeyOf,
  Priority,
  RetryOptions,
  TaskOptions,
  When,
} from './task/task-options.js';
export {
  RetryLaterError,
  TaskAbandonedError,
  TaskCancelledError,
  TaskTimeoutError,
  UnrecoverableError,
} from './task/task.errors.js';
