import { AsyncResource } from 'node:async_hooks';
import type { ModulesContainer } from '@nestjs/core';
import type { MethodIntake } from '../task/ambient.js';
import { backgroundMethodsOf, type BackgroundMethod } from '../task/background-method.js';
import { isObject } from '../task/is-object.js';
import { callBackground } from './background-call.js';
import { join, leave } from './live-applications.js';
import type { Provider } from './provider-instance.js';

/** An application, as seen by calls of its `@Background()` methods. */
export class Application {
  readonly reference = new WeakRef(this);
  private intake: MethodIntake | undefined = undefined;
  /** Calls that came before the application could accept tasks; `undefined` from then on. */
  private kept: (() => unknown)[] | undefined = [];

  constructor(private readonly modules: ModulesContainer) {}

  get isOpen(): boolean {
    return this.kept === undefined;
  }

  /**
   * The container could not be made. Nest calls no hook then, and takes out an object that it could not
   * make. Before that a class has at least an object with its prototype; a factory has nothing to look at.
   */
  get hasFailed(): boolean {
    return (
      !this.isOpen &&
      [...this.modules.values()]
        .flatMap(({ providers, injectables, controllers }) => [providers, injectables, controllers])
        .some((all) => [...all.values()].some(isTakenOut))
    );
  }

  /** The name of the root module's class, for messages. */
  get name(): string {
    const [, root] = this.modules.values();
    return root?.name ?? 'an application';
  }

  /** Called while the container is being made. */
  join(): void {
    join(this);
  }

  /** Called when the application has closed or could not start: it accepts no more calls. */
  leave(): void {
    leave(this);
  }

  owns(intake: MethodIntake): boolean {
    return this.intake === intake;
  }

  /** Accepts calls from now on, and makes the kept ones. @throws the error that refuses one of them */
  async open(intake: MethodIntake): Promise<void> {
    this.intake = intake;
    const kept = this.kept ?? [];
    this.kept = undefined;
    await Promise.all(kept.map((call) => call()));
  }

  /**
   * Accepts a call as a task.
   *
   * @returns a promise that resolves when the task is accepted, or at once if the call comes too
   * early
   */
  call(
    background: BackgroundMethod,
    target: object | undefined,
    args: readonly unknown[],
  ): Promise<void> {
    if (this.kept !== undefined || this.intake === undefined) {
      // Looked up anew later: the owner of the target may not be known yet.
      const call = AsyncResource.bind(() => callBackground(background, target, args));
      this.kept?.push(call);
      return Promise.resolve();
    }
    return this.intake.addCall(background, target, args);
  }

  /**
   * Whether the application has a provider of `target`'s class; without `target`, one with this
   * method.
   */
  knows(method: BackgroundMethod['method'], target: object | undefined): boolean {
    const wanted = target && (Object.getPrototypeOf(target) as object);
    return this.prototypes().some((prototype) =>
      wanted === undefined
        ? [...backgroundMethodsOf(prototype).values()].some((each) => each.method === method)
        : prototype === wanted,
    );
  }

  /** Whether the application's container has made `value`. */
  has(value: unknown): boolean {
    return isObject(value) && this.instances().includes(value);
  }

  private prototypes(): object[] {
    const made = this.instances().map((instance) => Object.getPrototypeOf(instance) as unknown);
    const declared = this.wrappers().map(({ metatype }) => metatype?.prototype as unknown);
    return [...made, ...declared].filter(isObject);
  }

  private instances(): object[] {
    return this.wrappers()
      .map(({ instance }) => instance as unknown)
      .filter(isObject);
  }

  private wrappers(): Provider[] {
    const modules = [...this.modules.values()];
    return modules.flatMap(({ providers, controllers }) =>
      [...providers.values()].concat([...controllers.values()]),
    );
  }
}

/** Asks only what was set: Nest 11 up to 11.1.20 keeps a scope that it is asked for too early. */
function isTakenOut({ isNotMetatype, instance }: Provider): boolean {
  return !isNotMetatype && instance === null;
}
