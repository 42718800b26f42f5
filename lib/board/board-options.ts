import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import type { CanActivate, Type } from '@nestjs/common';
import { InvalidOptionError, UnknownOptionError, type TaskInfo } from '../index.js';

/**
 * Who may see and use the board: a function of the raw request, or a guard of Nest's, which may be a
 * class that the application provides. A guard that throws an HttpException answers with it.
 */
export type BoardGuard =
  | Type<CanActivate>
  | CanActivate
  | ((request: unknown, response: unknown) => boolean | Promise<boolean>);

/**
 * A decorator that gives metadata to a controller and to a handler: `@Roles('admin')`, what
 * `SetMetadata()` or `Reflector.createDecorator()` makes.
 * @inline
 */
export type BoardDecorator = ClassDecorator & MethodDecorator;

/** The options of `BackgroundTasksBoardModule.forRoot()`. */
export interface BoardOptions {
  /** Where the board is served; a global prefix does not apply. @default '/tasks' */
  route?: string | undefined;
  /**
   * Who may see and use the board. In a list all guards have to agree, in this order: `[AuthGuard,
   * RolesGuard]`. The application's global guards are not asked. A guard is required unless
   * `NODE_ENV` is `development` or `test`; there a board without a guard answers at localhost only.
   * `() => true` lets everybody in.
   * @default none
   */
  guard?: BoardGuard | readonly BoardGuard[] | undefined;
  /**
   * Metadata for guards that decide by metadata, as you would put it on a controller:
   * `[Roles('admin')]`. Such a guard may let everybody in if it finds none.
   * @default []
   */
  decorators?: readonly BoardDecorator[] | undefined;
  /**
   * Whether a task's arguments are shown: `'show'`, `'hide'`, or a function that returns what to
   * show. Data and results of the jobs of `adapters` are shown only with `'show'`.
   * @default 'show' where NODE_ENV is development or test, else 'hide'
   */
  args?: 'show' | 'hide' | ((args: readonly unknown[], task: TaskInfo) => unknown) | undefined;
  /**
   * Whether the board refuses every change: retry, cancel, pause, clean and add. It holds for
   * `adapters`, too.
   * @default false
   */
  readOnly?: boolean | undefined;
  /** The title of the page. @default 'Background tasks' */
  title?: string | undefined;
  /** Further queues beside those of the application, BullMQ's for example. @default [] */
  adapters?: readonly BaseAdapter[] | undefined;
}

/** Stands for what is not shown. */
export const HIDDEN = 'hidden';

const KNOWN = ['route', 'guard', 'decorators', 'args', 'readOnly', 'title', 'adapters'];

/** {@link BoardOptions}, filled in. */
export interface BoardSettings extends Required<
  Omit<BoardOptions, 'guard' | 'decorators' | 'args'>
> {
  readonly guards: readonly BoardGuard[];
  /** `undefined` where nobody has thought of it. */
  readonly decorators: readonly BoardDecorator[] | undefined;
  /** `undefined` where the environment decides. */
  readonly args: BoardOptions['args'];
}

/** @throws UnknownOptionError, InvalidOptionError */
export function settingsOf(options: BoardOptions): BoardSettings {
  const unknown = Object.keys(options).find((key) => !KNOWN.includes(key));
  if (unknown !== undefined) {
    throw new UnknownOptionError(unknown, KNOWN);
  }
  const { route = '/tasks', guard = [], args = 'hide' } = options;
  if (!/^(\/[\w.~-]+)+$/.test(route)) {
    throw new InvalidOptionError('route', `expected a path such as '/tasks', got '${route}'.`);
  }
  if (typeof args !== 'function' && args !== 'show' && args !== 'hide') {
    throw new InvalidOptionError('args', `expected 'show', 'hide' or a function.`);
  }
  const { readOnly = false, title = 'Background tasks', adapters = [], decorators } = options;
  return {
    route,
    guards: [guard].flat(),
    decorators,
    args: options.args,
    readOnly,
    title,
    adapters,
  };
}

/** Only where it is said in so many words: a `NODE_ENV` that is missing or misspelt is production. */
export function isWhileDeveloping(): boolean {
  return process.env.NODE_ENV === 'development' || process.env.NODE_ENV === 'test';
}
