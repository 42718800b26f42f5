import { AsyncResource } from 'node:async_hooks';
import { BackgroundMethodError } from '../errors/misuse.errors.js';
import { ambient } from '../task/ambient.js';
import { THIS_COPY, type BackgroundMethod } from '../task/background-method.js';
import type { Application } from './application.js';

/**
 * The applications of this process, from the moment their containers are made until they have closed.
 * Decorators run before there is any, so this cannot belong to one of them. An application that nobody
 * has closed, in a test, may still be collected as garbage.
 */
const live = new Set<WeakRef<Application>>();

/** Which application has made an object. */
const makers = new WeakMap<object, WeakRef<Application>>();

/** The calls since a container began to be made with the module in it, until our part of that is. */
let untilOneComes: (() => void)[] | undefined;

/** A container is being made with the module in it; its objects may be constructed before ours are. */
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
 * Puts a call off where an application is on its way that may have made `target`.
 *
 * @param decide called once it is there, or does not come
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
      // Our part of a container is made in the same turn of the loop as the first of the others.
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
 * Which application a call belongs to, `undefined` where there is none in the process.
 *
 * @param target what the method was called on; `undefined` where it was taken off its object
 * @throws BackgroundMethodError where it may be any of several, or another copy of the package has them
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
  // Whose it is shows when all the objects of those that are starting have been made.
  const starting = candidates.find(({ isOpen }) => !isOpen);
  const byParts =
    target && candidates.filter((each) => Object.values(target).some((part) => each.has(part)));
  const chosen = starting ?? (byParts?.length === 1 ? byParts[0] : undefined);
  if (chosen === undefined) {
    throw new BackgroundMethodError(
      member,
      `it was called outside of any request and task, on an object that no application has ` +
        `injected, and ${candidates.length} applications of this process may be meant: ` +
        `${candidates.map(({ name }) => name).join(', ')}. Call it on an object that one of them ` +
        'has made, or within a task of it.',
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
    return application ?? [];
  });
}

/** How many applications each copy of this package has in the process, by where it lies. */
const copies = ((globalThis as Record<symbol, unknown>)[
  Symbol.for('nestjs-background-tasks:copies')
] ??= new Map()) as Map<string, () => number>;
copies.set(THIS_COPY, () => applications().length);

/** Where another copy lies that has an application, if one does. */
export function otherCopyInUse(): string | undefined {
  return [...copies].find(([copy, count]) => copy !== THIS_COPY && count() > 0)?.[0];
}

/** What is wrong where one copy of the package is used, and another one runs the tasks. */
export function twoCopies(used: string, module: string, what = 'decorator'): string {
  return (
    `two copies of nestjs-background-tasks are in this process. The ${what} is that of ` +
    `${used}, and BackgroundTasksModule that of ${module}. Install one version for all ` +
    'packages: npm ls nestjs-background-tasks shows who brings which.'
  );
}
