import { AsyncResource } from 'node:async_hooks';
import { BackgroundMethodError } from '../errors/misuse.errors.js';
import { ambient } from '../task/ambient.js';
import { THIS_COPY, type BackgroundMethod } from '../task/background-method.js';
import type { Application } from './application.js';

/**
 * The applications of this process, from the making of their containers until they close.
 * Decorators run before any application exists, so the list is global. Weak references let an
 * application that a test never closed be collected.
 */
const live = new Set<WeakRef<Application>>();

/** The application that made an object. */
const makers = new WeakMap<object, WeakRef<Application>>();

/** Calls postponed while a container with the module is being made, until our module in it exists. */
let untilOneComes: (() => void)[] | undefined;

/** Announces a container with the module: its objects may be constructed before ours. */
export function expectApplication(): void {
  untilOneComes ??= [];
}

export function join(application: Application): void {
  live.add(application.reference);
  decideExpected();
}

export function leave(application: Application): void {
  live.delete(application.reference);
}

export function recordMaker(instance: object, application: Application): void {
  makers.set(instance, application.reference);
}

/**
 * Postpones a call if an application that may have made `target` is being created.
 *
 * @param decide called once the application exists, or will not
 */
export function whenExpected<T>(
  target: object | undefined,
  decide: () => T,
): Promise<Awaited<T>> | undefined {
  const calls = untilOneComes;
  if (calls === undefined || (target !== undefined && makers.has(target))) {
    return undefined;
  }
  return new Promise((resolve, reject) => {
    const call = AsyncResource.bind(() => {
      try {
        resolve(decide() as Awaited<T>);
      } catch (error) {
        reject(error);
      }
    });
    if (calls.push(call) === 1) {
      // A container makes our module in the same turn of the event loop as its first objects.
      setImmediate(() => calls === untilOneComes && decideExpected());
    }
  });
}

function decideExpected(): void {
  const calls = untilOneComes;
  untilOneComes = undefined;
  calls?.forEach((call) => call());
}

/**
 * The application that a call belongs to; `undefined` if the process has none.
 *
 * @param target the object the method was called on; `undefined` if the method was detached
 * @throws BackgroundMethodError if several are possible, or another copy of the package has them
 */
export function applicationOf(
  background: BackgroundMethod,
  target: object | undefined,
): Application | undefined {
  const maker = target && makers.get(target)?.deref();
  if (maker !== undefined) {
    return maker;
  }
  const [only, ...others] = applications();
  if (only === undefined) {
    const copy = otherCopyInUse();
    if (copy !== undefined) {
      throw new BackgroundMethodError(background.member, twoCopies(THIS_COPY, copy));
    }
    return undefined;
  }
  if (others.length === 0) {
    return only;
  }
  const all = [only, ...others];
  const here = ambient.getStore()?.intake;
  const around = here && all.find((each) => each.owns(here));
  return around ?? theOne(all, background, target);
}

function theOne(
  all: readonly Application[],
  { member, method }: BackgroundMethod,
  target: object | undefined,
): Application {
  const knowing = all.filter((each) => each.knows(method, target));
  const candidates = knowing.length === 0 ? all : knowing;
  const [first] = candidates;
  if (first !== undefined && candidates.length === 1) {
    return first;
  }
  // An application that is starting decides later, when all its objects exist.
  const starting = candidates.find(({ isOpen }) => !isOpen);
  const byParts =
    target && candidates.filter((each) => Object.values(target).some((part) => each.has(part)));
  const chosen = starting ?? (byParts?.length === 1 ? byParts[0] : undefined);
  if (chosen === undefined) {
    throw new BackgroundMethodError(
      member,
      `it was called outside of any request and task, on an object that no application has ` +
        `injected, and it could belong to ${candidates.length} applications of this process: ` +
        `${candidates.map(({ name }) => name).join(', ')}. Call it on an object that one of them ` +
        'has made, or inside one of its tasks.',
    );
  }
  return chosen;
}

function applications(): Application[] {
  return [...live].flatMap((reference) => {
    const application = reference.deref();
    if (application === undefined) {
      live.delete(reference);
    }
    return application === undefined || application.hasFailed ? [] : application;
  });
}

/** The number of live applications of each copy of this package, by its directory. */
const copies = ((globalThis as Record<symbol, unknown>)[
  Symbol.for('nestjs-background-tasks:copies')
] ??= new Map()) as Map<string, () => number>;
copies.set(THIS_COPY, () => applications().length);

/** The directory of another copy that has a live application, if any. */
export function otherCopyInUse(): string | undefined {
  return [...copies].find(([copy, count]) => copy !== THIS_COPY && count() > 0)?.[0];
}

/** The message for a process in which one copy of the package is used and another one runs the tasks. */
export function twoCopies(used: string, module: string, what = 'decorator'): string {
  return (
    `two copies of nestjs-background-tasks are in this process. The ${what} comes from ` +
    `${used}, and BackgroundTasksModule from ${module}. Install one version for all ` +
    'packages: npm ls nestjs-background-tasks shows which package brings which.'
  );
}
