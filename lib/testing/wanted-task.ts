import { inspect } from 'node:util';
import { nearest } from '../options/checks.js';
import { backgroundMethodOf, backgroundMethodsOf } from '../task/background-method.js';
import type { AddedTask } from './added-task.js';
import { matches } from './matches.js';

/** A class, and the name of one of its `@Background()` methods. */
type OfMethod = readonly [type: { readonly prototype: object }, method: string, args?: unknown[]];
/** The function that was passed to `addTask()`, or the name of the task. */
type OfFunction = readonly [fn: ((...args: never[]) => unknown) | string, args?: unknown[]];

/** How a test says which task it means. */
export type Wanted = OfMethod | OfFunction;

/** The task that a test looks for among the added ones. */
export class WantedTask {
  private readonly title: string;
  private readonly isIt: (task: AddedTask) => boolean;
  private readonly args: readonly unknown[] | undefined;

  /** @throws Error where the class has no such `@Background()` method */
  constructor(wanted: Wanted) {
    const [what, second, third] = wanted;
    if (typeof what === 'function' && typeof second === 'string') {
      const method = methodOf(what, second);
      this.title = `${what.name}.${second}`;
      this.isIt = ({ callee }) => callee === method;
      this.args = third;
    } else if (typeof what === 'function') {
      const fn: unknown = backgroundMethodOf(what)?.method ?? what;
      this.title = what.name || 'anonymous';
      this.isIt = ({ callee }) => callee === fn;
      this.args = second as unknown[] | undefined;
    } else {
      this.title = what as string;
      this.isIt = ({ name }) => name === what;
      this.args = second as unknown[] | undefined;
    }
  }

  fits(task: AddedTask): boolean {
    return this.isIt(task) && (this.args === undefined || matches(this.args, task.args));
  }

  toString(): string {
    return this.args === undefined ? this.title : callOf(this.title, this.args);
  }
}

/** One line for each task. */
export function listOf(tasks: readonly AddedTask[]): string {
  return tasks
    .map(
      ({ name, args, queue, status }, index) =>
        `  ${index + 1}. ${callOf(name, args)} (queue ${queue}, ${status})`,
    )
    .join('\n');
}

function callOf(name: string, args: readonly unknown[]): string {
  const shown = args.map((arg) =>
    inspect(arg, { depth: 4, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 200 }),
  );
  return `${name}(${shown.join(', ')})`;
}

function methodOf(
  type: { readonly prototype: object; readonly name: string },
  key: string,
): object {
  const found = backgroundMethodOf((type.prototype as Record<string, unknown>)[key]);
  if (found === undefined) {
    const meant = nearest(key, [...backgroundMethodsOf(type.prototype).keys()].map(String));
    const hint = meant === undefined ? '' : ` Did you mean ${type.name}.${meant}?`;
    throw new Error(`${type.name}.${key} is not a @Background() method.${hint}`);
  }
  return found.method;
}
