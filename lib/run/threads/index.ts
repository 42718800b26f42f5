/**
 * `import { … } from 'nestjs-background-tasks/threads'`: functions that run in a worker thread. Needs
 * `piscina`. See docs/threads.md.
 *
 * @module threads
 */

export { MissingPeerError } from '../../errors/missing-peer.error.js';
export {
  BackgroundTasksThreadsModule,
  type BackgroundTasksThreadsAsyncOptions,
} from './background-tasks-threads.module.js';
export { threadFunction, type ThreadFunction } from './thread-function.js';
export type { BackgroundTasksThreadsOptions } from './thread-options.js';
export {
  DuplicateThreadsModuleError,
  NoThreadPoolError,
  ThreadArgumentError,
  ThreadExitedError,
  ThreadFunctionError,
  ThreadOutOfMemoryError,
  ThreadPoolClosedError,
  ThreadQueueFullError,
  ThreadResultError,
} from './thread.errors.js';
export { transfer } from './transfer.js';
