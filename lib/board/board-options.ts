import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import type { CanActivate, Type } from '@nestjs/common';
import { InvalidOptionError, type TaskInfo } from '../index.js';
import {
  checkBoolean,
  checkEach,
  checkFunction,
  checkHas,
  checkOneOf,
  checkShape,
  checkString,
  checkUnless,
  describe,
  type Shape,
} from '../options/checks.js';

/**
 * Who may see and use the board: a function of the raw request, or a guard of Nest's, which may be a
 * class that the application provides. A guard that throws an HttpException answers with it.
 */
export type BoardGuard =
  | Type<CanActivate>
  | CanActivate
  | ((request: unknown, response: unknown) => boolean | Promise<boolean>);

/**
 * A decorator that puts metadata on a controller and on a handler: `@Roles('admin')`, or one that
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
   * Whether the board refuses every change: retry, cancel, pause, clean and add. The option holds
   * for `adapters`, too.
   * @default false
   */
  readOnly?: boolean | undefined;
  /** The title of the page. @default 'Background tasks' */
  title?: string | undefined;
  /** Further queues beside those of the application, BullMQ's for example. @default [] */
  adapters?: readonly BaseAdapter[] | undefined;
}

/** Shown in place of hidden data. */
export const HIDDEN = 'hidden';

const BOARD_SHAPE: Shape<BoardOptions> = {
  route: (value, path) => {
    if (typeof value !== 'string' || !/^(\/(?!\.+(\/|$))[\w.~-]+)+$/.test(value)) {
      throw new InvalidOptionError(
        path,
        `expected a path such as '/tasks', got ${describe(value)}.`,
      );
    }
  },
  guard: (value, path) =>
    Array.isArray(value) ? checkEach(checkGuard)(value, path) : checkGuard(value, path),
  decorators: checkEach(checkFunction),
  args: checkUnless('function', checkOneOf('show', 'hide')),
  readOnly: checkBoolean,
  title: checkString,
  adapters: checkEach(checkHas('getJobCounts', 'an adapter such as new BullMQAdapter(queue)')),
};

/** {@link BoardOptions}, filled in. */
export interface BoardSettings extends Required<
  Omit<BoardOptions, 'guard' | 'decorators' | 'args'>
> {
  readonly guards: readonly BoardGuard[];
  /** `undefined` where the option is not set. */
  readonly decorators: readonly BoardDecorator[] | undefined;
  /** `undefined` where the environment decides. */
  readonly args: BoardOptions['args'];
}

/** @throws UnknownOptionError, InvalidOptionError */
export function settingsOf(options: BoardOptions): BoardSettings {
  checkShape<BoardOptions>(options, 'board', BOARD_SHAPE);
  const { route = '/tasks', guard = [] } = options;
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

/** A missing or misspelt `NODE_ENV` counts as production. */
export function isWhileDeveloping(): boolean {
  return process.env.NODE_ENV === 'development' || process.env.NODE_ENV === 'test';
}

function checkGuard(value: unknown, path: string): void {
  if (typeof value === 'function' && /^class\b/.test(String(value)) && !isGuardClass(value)) {
    throw new InvalidOptionError(path, `${describe(value)} has no method canActivate().`);
  }
  if (typeof value !== 'function') {
    checkHas('canActivate', 'a guard or a function')(value, path);
  }
}

export function isGuardClass(guard: unknown): guard is Type<CanActivate> {
  const { prototype } = guard as { prototype?: Partial<CanActivate> };
  return typeof prototype?.canActivate === 'function';
}
