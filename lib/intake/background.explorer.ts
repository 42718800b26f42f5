import type { DiscoveryService, ModuleRef } from '@nestjs/core';
import { DuplicateModuleError } from '../errors/misuse.errors.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import { backgroundMethodsOf, type BackgroundMethod } from '../task/background-method.js';
import type { TaskRegistry } from '../task/task-registry.js';
import { bindToIntake, refuseRoute } from './background.decorator.js';
import { TaskIntake } from './task-intake.js';

type Provider = ReturnType<DiscoveryService['getProviders']>[number];

/** Finds the `@Background()` methods of an application's providers and makes them its tasks. */
export class BackgroundExplorer {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly moduleRef: ModuleRef,
    private readonly options: ResolvedOptions,
    private readonly registry: TaskRegistry,
    private readonly intake: TaskIntake,
  ) {}

  /**
   * @throws DuplicateTaskNameError, BackgroundMethodError (a route), UnknownQueueError,
   * InvalidOptionError, UnsupportedOptionError, DuplicateModuleError
   */
  explore(): void {
    const providers = this.discovery.getProviders();
    const modules = providers.filter(({ token }) => token === TaskIntake);
    if (modules.length > 1) {
      throw new DuplicateModuleError(modules.length);
    }
    for (const provider of [...providers, ...this.discovery.getControllers()]) {
      if (!provider.isAlias) {
        this.exploreProvider(provider);
      }
    }
  }

  private exploreProvider(provider: Provider): void {
    const instances = instancesOf(provider);
    const sample: unknown = instances[0] ?? provider.metatype?.prototype;
    if (typeof sample !== 'object' || sample === null) {
      return;
    }
    const prototype: unknown =
      instances.length > 0 ? (Object.getPrototypeOf(sample) as unknown) : sample;
    if (typeof prototype !== 'object' || prototype === null || prototype === Object.prototype) {
      return;
    }
    const methods = backgroundMethodsOf(prototype);
    methods.forEach((background, key) => this.register(provider, prototype, key, background));
    if (methods.size > 0) {
      instances.forEach((instance) => bindToIntake(instance, this.intake));
    }
  }

  private register(
    provider: Provider,
    prototype: object,
    key: string | symbol,
    { method, options }: BackgroundMethod,
  ): void {
    const type = prototype.constructor;
    const member = `${type.name}.${typeof key === 'symbol' ? (key.description ?? 'symbol') : key}`;
    refuseRoute((prototype as Record<string | symbol, object>)[key] ?? method, member);
    const place = `@Background() on ${member}`;
    const settings = this.options.forTask(undefined, options, place);
    this.intake.checkSupport(settings, place);
    this.registry.register({
      name: options?.name ?? member,
      type,
      member,
      method,
      declared: options,
      settings,
      resolveTarget: () => this.resolve(provider),
    });
  }

  private async resolve(provider: Provider): Promise<object> {
    if (provider.isDependencyTreeStatic() && !provider.isTransient) {
      return provider.instance as object;
    }
    return this.moduleRef.resolve<object>(provider.token as never, undefined, { strict: false });
  }
}

/** The instances there are before any request: one of a singleton, one per consumer of a transient. */
function instancesOf(provider: Provider): object[] {
  if (!provider.isDependencyTreeStatic()) {
    return [];
  }
  const instances: unknown[] = provider.isTransient
    ? provider.getStaticTransientInstances().map((host) => host?.instance as unknown)
    : [provider.instance];
  return instances.filter(
    (instance): instance is object => typeof instance === 'object' && instance !== null,
  );
}
