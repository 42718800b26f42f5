import { AsyncResource } from 'node:async_hooks';
import type { ModulesContainer } from '@nestjs/core';
import type { MethodIntake } from '../task/ambient.js';
import { backgroundMethodsOf, type BackgroundMethod } from '../task/background-method.js';
import { isObject } from '../task/is-object.js';
import { callBackground } from './background-call.js';
import { join, leave } from './live-applications.js';
import type { Provider } from './provider-instance.js';

/** An application as calls of its `@Background()` methods find it. */
export class Application {
  readonly reference = new WeakRef(this);
  private intake: MethodIntake | undefined = undefined;
  /** The calls from before its tasks could be taken in; `undefined` from then on. */
  private kept: (() => unknown)[] | undefined = [];

  constructor(private readonly modules: ModulesContainer) {}

  get isOpen(): boolean {
    return this.kept === undefined;
  }

  /** The class of its root module, for messages. */
  get name(): string {
    const [, root] = this.modules.values();
    return root?.name ?? 'an application';
  }

  /** Called when its container is being made. */
  join(): void {
    join(this);
  }

  /** It has closed, or has not started: it takes no calls any more. */
  leave(): void {
    leave(this);
  }

  owns(intake: MethodIntake): boolean {
    return this.intake === intake;
  }

  /** Takes in calls from now on, and those that came before. @throws what one of those is refused with */
  async open(intake: MethodIntake): Promise<void> {
    this.intake = intake;
    const kept = this.kept ?? [];
    this.kept = undefined;
    await Promise.all(kept.map((call) => call()));
  }

  /**
   * A call of a method that is a task here.
   *
   * @returns a promise of its acceptance: of a call that comes too early, at once
   */
  call(
    background: BackgroundMethod,
    target: object | undefined,
    args: readonly unknown[],
  ): Promise<void> {
    if (this.kept !== undefined || this.intake === undefined) {
      // Asked again then: whose object it is called on may not be known yet.
      const call = AsyncResource.bind(() => callBackground(background, target, args));
      this.kept?.push(call);
      return Promise.resolve();
    }
    return this.intake.addCall(background, target, args);
  }

  /** It has a provider of the class of `target`; without one, any with this method. */
  knows(method: BackgroundMethod['method'], target: object | undefined): boolean {
    const wanted = target && (Object.getPrototypeOf(target) as object);
    return this.prototypes().some((prototype) =>
      wanted === undefined
        ? [...backgroundMethodsOf(prototype).values()].some((each) => each.method === method)
        : prototype === wanted,
    );
  }

  /** `value` is an object that its container has made. */
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
