/**
 * `import { … } from 'nestjs-background-tasks/board'`: the dashboard. Needs `@bull-board/api`, and
 * `@bull-board/express` or `@bull-board/fastify`.
 *
 * @module board
 */

export { BackgroundTasksBoardModule } from './background-tasks-board.module.js';
export type { BoardGuard, BoardOptions } from './board-options.js';
export { TaskQueueAdapter } from './task-queue.adapter.js';
export { UnguardedBoardError } from './unguarded-board.error.js';
