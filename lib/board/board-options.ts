import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import type { CanActivate, Type } from '@nestjs/common';
import type { TaskInfo } from '../index.js';

/**
 * Who may see and use the board: a function of the raw request, or a guard of Nest's, which may be a
 * class that the application provides. A guard that throws an HttpException answers with it.
 */
export type BoardGuard =
  | Type<CanActivate>
  | CanActivate
  | ((request: unknown, response: unknown) => boolean | Promise<boolean>);

/** What `BackgroundTasksBoardModule.forRoot()` takes. */
export interface BoardOptions {
  /** Where the board is served; a global prefix does not apply. @default '/tasks' */
  route?: string;
  /** Required where `NODE_ENV` is `production`. @default none */
  guard?: BoardGuard;
  /**
   * What is shown of a task's arguments: `'show'`, `'hide'`, or what a function returns for them.
   * @default 'hide' where NODE_ENV is production, else 'show'
   */
  args?: 'show' | 'hide' | ((args: readonly unknown[], task: TaskInfo) => unknown);
  /** Nothing can be retried, cancelled, paused or cleaned. @default false */
  readOnly?: boolean;
  /** The title of the page. @default 'Background tasks' */
  title?: string;
  /** Further queues beside those of the application, BullMQ's for example. @default [] */
  adapters?: readonly BaseAdapter[];
}
