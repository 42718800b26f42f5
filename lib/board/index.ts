export { BackgroundTasksBoardModule } from './background-tasks-board.module.js';
export type { BoardGuard, BoardOptions } from './board-options.js';
export { TaskQueueAdapter } from './task-queue.adapter.js';
