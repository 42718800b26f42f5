import type { DiscoveryService, LazyModuleLoader, ModuleRef } from '@nestjs/core';
import type { Engine } from '../engine/engine.js';
import { BackgroundMethodError, DuplicateModuleError } from '../errors/misuse.errors.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import {
  THIS_COPY,
  backgroundMethodsOf,
  type BackgroundMethod,
} from '../task/background-method.js';
import { isObject } from '../task/is-object.js';
import type { TaskFinder, TaskRegistry } from '../task/task-registry.js';
import type { Application } from './application.js';
import { refuseRoute } from './background.decorator.js';
import { checkSupport } from './check-support.js';
import { recordMaker, twoCopies } from './live-applications.js';
import { instanceOf, needsRequest, type Provider } from './provider-instance.js';
import { TaskIntake } from './task-intake.js';

/** Finds the `@Background()` methods of an application's providers and registers them as tasks. */
export class BackgroundExplorer implements TaskFinder {
  /** The first provider of each class, by the prototype of its instances. */
  private readonly firsts = new WeakMap<object, Provider>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly moduleRef: ModuleRef,
    private readonly options: ResolvedOptions,
    private readonly registry: TaskRegistry,
    private readonly engine: Engine,
    private readonly application: Application,
  ) {
    registry.askFor(this);
  }

  /**
   * Registers what the container holds now; a lazily loaded module may add more.
   *
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

  /**
   * Explores lazily loaded modules, of which Nest calls no hook. A call of a method would find its
   * module anyway, but a schedule ticks without a call, and a stored task has only a name.
   */
  watch(loader: LazyModuleLoader): void {
    const load = loader.load.bind(loader);
    const value: typeof load = async (...args) => {
      const loaded = await load(...args);
      this.explore();
      return loaded;
    };
    Object.defineProperty(loader, 'load', { value, configurable: true, writable: true });
  }

  adopt(target: object): void {
    this.registerAll(Object.getPrototypeOf(target) as object, undefined);
  }

  private exploreProvider(provider: Provider): void {
    const instances = instancesOf(provider);
    const [sample] = instances;
    const prototype: unknown =
      sample === undefined ? provider.metatype?.prototype : Object.getPrototypeOf(sample);
    if (isObject(prototype) && this.registerAll(prototype, provider)) {
      instances.forEach((instance) => recordMaker(instance, this.application));
    }
  }

  /** The names of the first provider of a class and of this one, if each has been made in its own way. */
  private twinsOf(provider: Provider, prototype: object): string[] {
    const first = this.firsts.get(prototype);
    if (first === undefined) {
      this.firsts.set(prototype, provider);
      return [];
    }
    return isMadeAlike(first, provider) ? [] : [first, provider].map(nameOf);
  }

  /** @returns whether there is any method */
  private registerAll(prototype: object, provider: Provider | undefined): boolean {
    const methods = backgroundMethodsOf(prototype, (override, { member }) =>
      this.registry.overridden(override, member),
    );
    methods.forEach((background, key) => this.register(provider, prototype, key, background));
    return methods.size > 0;
  }

  private register(
    provider: Provider | undefined,
    prototype: object,
    key: string | symbol,
    { method, options, copy }: BackgroundMethod,
  ): void {
    const type = prototype.constructor;
    const member = `${type.name}.${typeof key === 'symbol' ? (key.description ?? 'symbol') : key}`;
    if (copy !== THIS_COPY) {
      throw new BackgroundMethodError(member, twoCopies(copy, THIS_COPY));
    }
    const inPlace = (object: object): unknown =>
      isAccessor(object, key) ? undefined : (Reflect.get(object, key) as unknown);
    refuseRoute((inPlace(prototype) as object | undefined) ?? method, member);
    const place = `@Background() on ${member}`;
    const settings = this.options.forTask(undefined, options, place);
    checkSupport(this.engine, settings, place);
    const isStored = this.engine.supportOf(settings.queue).storage !== undefined;
    const isScheduled = options?.cron !== undefined || options?.every !== undefined;
    const twins = provider === undefined ? [] : this.twinsOf(provider, prototype);
    if (twins.length > 0 && (isStored || isScheduled)) {
      throw new BackgroundMethodError(
        member,
        `its class has several objects (${twins.join(', ')}), and a ${
          isStored ? `stored task of queue "${settings.queue}"` : 'schedule'
        } finds only one of them. Import a dynamic module once: keep what forRoot() returned, and list ` +
          'that wherever it is imported. Or give each object a subclass of its own.',
      );
    }
    const isForRequests =
      provider !== undefined && needsRequest(provider, this.discovery.getProviders());
    if (isForRequests && (isStored ? !this.options.carriers.canMakeRequest : isScheduled)) {
      throw new BackgroundMethodError(
        member,
        `its class is request-scoped (REQUEST), and there is no request when ${
          isStored ? `a stored task of queue "${settings.queue}" runs` : 'its schedule ticks'
        }. Pass what the method needs as arguments. For stored tasks, \`carry: { request }\` ` +
          'can restore the request.',
      );
    }
    this.registry.register({
      name: options?.name ?? member,
      type,
      member,
      method,
      declared: options,
      settings,
      isProvided: provider !== undefined,
      twins,
      isStored,
      needsRequest: isForRequests,
      inPlace: () =>
        [prototype, ...(provider === undefined ? [] : instancesOf(provider))].map(inPlace),
      resolveTarget: async (request) => {
        if (provider === undefined) {
          throw new BackgroundMethodError(
            member,
            'its class is not a provider of the application.',
          );
        }
        return instanceOf(provider, this.moduleRef, request);
      },
    });
  }
}

/**
 * Whether a class that has two providers is merely listed twice. Two factories have made something of
 * their own each, and so have two imports of a dynamic module.
 */
function isMadeAlike(one: Provider, other: Provider): boolean {
  if (one === other || one.instance === other.instance) {
    return true;
  }
  const isImportedTwice = one.host !== other.host && one.host?.metatype === other.host?.metatype;
  const areFactories = one.isNotMetatype && other.isNotMetatype && one.metatype !== other.metatype;
  return !isImportedTwice && !areFactories;
}

function nameOf({ name, host }: Provider): string {
  return `${String(name)} of ${host?.name}`;
}

/** The instances that exist before any request: one of a singleton, one per consumer of a transient. */
function instancesOf(provider: Provider): object[] {
  if (!provider.isDependencyTreeStatic()) {
    return [];
  }
  const instances: unknown[] = provider.isTransient
    ? provider.getStaticTransientInstances().map((host) => host?.instance as unknown)
    : [provider.instance];
  return instances.filter(isObject);
}

/** Such as a decorator puts in a method's place to bind it. To read it may change the object. */
function isAccessor(object: object, key: string | symbol): boolean {
  for (let level: object | null = object; level !== null; level = prototypeOf(level)) {
    const descriptor = Object.getOwnPropertyDescriptor(level, key);
    if (descriptor !== undefined) {
      return !('value' in descriptor);
    }
  }
  return false;
}

function prototypeOf(object: object): object | null {
  return Object.getPrototypeOf(object) as object | null;
}
