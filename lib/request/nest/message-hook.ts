import type { NestInterceptor } from '@nestjs/common';
import type { ApplicationConfig, ExternalContextCreator, ModulesContainer } from '@nestjs/core';
import { lifeHere } from '../life-of-request.js';
import { handleMessage, beginMessage } from '../message.js';
import { MessageLife } from '../message-life.js';
import type { Requests } from '../requests.js';

type Callback = (this: unknown, ...args: unknown[]) => unknown;

/** A transport of microservices, to which Nest adds the handler of each pattern. */
interface RpcServer {
  addHandler?: (pattern: unknown, callback: Callback, ...rest: unknown[]) => unknown;
}

/** The WebSocket adapter, to which Nest hands the handlers of a client's messages. */
interface SocketAdapter {
  bindMessageHandlers?: (
    client: unknown,
    handlers: readonly Handler[],
    ...rest: unknown[]
  ) => unknown;
}

interface Handler {
  readonly callback: Callback;
}

/**
 * Follows the messages of microservices, gateways and resolvers, with their guards and exception
 * filters. To do so it wraps the callbacks that Nest hands to its transports and its socket
 * adapter, and those that it makes for resolvers. A global interceptor sees how the handlers
 * themselves end; Nest leaves it out of HTTP routes.
 */
export class MessageHook {
  /** Nest has taken the interceptor since the flag was last cleared. */
  private wasAsked = false;
  /** The resolver that Nest is making: of a root field, or of a field of an object type. */
  private making: 'root field' | 'field' | undefined = undefined;
  private areRoutesMade = false;
  private areRoutesFollowed = true;
  /** Nest 11 has no global interceptors for gateways. `undefined` where no routes are made. */
  private areSocketsIntercepted: boolean | undefined = undefined;

  constructor(
    private readonly requests: Requests,
    private readonly interceptor: NestInterceptor,
    private readonly modules: ModulesContainer,
    private readonly config: ApplicationConfig,
    private readonly resolvers: ExternalContextCreator | undefined,
    private readonly warn: (text: string) => void,
  ) {}

  /** Must be called before Nest makes any handler. */
  install(): void {
    this.interceptMessages();
    if (typeof Reflect.get(this.modules, 'getRpcTargetRegistry') === 'function') {
      this.modules.getRpcTargetRegistry<RpcServer>().subscribe((server) => this.followRpc(server));
    } else {
      this.miss('ModulesContainer.getRpcTargetRegistry()', 'the handlers of microservices');
    }
    this.followResolvers();
    this.wasAsked = false;
  }

  /**
   * Nest makes its routes from now on, until {@link bindSockets} is called.
   *
   * @param areFollowed whether the routes need no interceptor
   */
  routesBegin(areFollowed: boolean): void {
    this.areRoutesMade = true;
    this.areRoutesFollowed = areFollowed;
    this.areSocketsIntercepted = this.wasAsked; // the gateways exist by now
    this.wasAsked = false;
    if (!areFollowed) {
      this.warn(
        'The HTTP adapter does not register routes as Nest documents it, so BackgroundTasksInterceptor ' +
          'wraps every route. Requests cost more; nothing else changes.',
      );
    }
  }

  /** Only the interceptor is left, which does not see guards. */
  private miss(what: string, whose: string): void {
    this.warn(
      `${what} is not as in the versions of Nest that this package knows. Tasks that guards of ` +
        `${whose} add do not belong to the message: they run at once, even if the message fails.`,
    );
  }

  /** Called when all modules exist, and before a client connects. */
  bindSockets(): void {
    this.areRoutesMade = false;
    // `null` where no gateway has asked Nest for an adapter.
    const adapter = this.config.getIoAdapter() as unknown as SocketAdapter | null | undefined;
    if (adapter === null || adapter === undefined) {
      return;
    }
    const bind = adapter.bindMessageHandlers;
    if (typeof bind !== 'function') {
      this.miss('WebSocketAdapter.bindMessageHandlers()', 'gateways');
    } else {
      adapter.bindMessageHandlers = (client, handlers, ...rest) =>
        bind.call(
          adapter,
          client,
          handlers.map((handler) => ({
            ...handler,
            callback: this.follow('ws', handler.callback, this.areSocketsIntercepted ?? true),
          })),
          ...rest,
        );
    }
  }

  /** Nest asks for the global interceptors each time it makes a handler, and keeps what it got. */
  private interceptMessages(): void {
    const { config, interceptor } = this;
    const others = config.getGlobalInterceptors.bind(config);
    config.getGlobalInterceptors = () =>
      this.isIntercepted() ? [interceptor, ...others()] : others();
  }

  /** Whether the handler that Nest is making needs the interceptor. */
  private isIntercepted(): boolean {
    if (this.making === 'field') {
      return false;
    }
    const here = this.making === undefined ? lifeHere(this.requests.intake) : undefined;
    if (here instanceof MessageLife) {
      here.isInterceptorDue = true;
      return true;
    }
    this.wasAsked = true;
    const isRoute = this.making === undefined && (this.areRoutesMade || here !== undefined);
    return !isRoute || !this.areRoutesFollowed;
  }

  private followRpc(server: RpcServer): void {
    const add = server.addHandler;
    if (typeof add !== 'function') {
      this.miss('Server.addHandler()', 'the handlers of microservices');
    } else {
      server.addHandler = (pattern, callback, ...rest) => {
        const follower = this.follow('rpc', callback, this.wasAsked);
        this.wasAsked = false;
        // Nest links the handlers of an event by this property, and each calls the next.
        Object.defineProperty(follower, 'next', {
          get: () => Reflect.get(callback, 'next') as unknown,
          set: (next) => {
            Reflect.set(callback, 'next', next);
          },
        });
        return add.call(server, pattern, follower, ...rest);
      };
    }
  }

  private followResolvers(): void {
    const { resolvers } = this;
    const create: unknown = resolvers && Reflect.get(resolvers, 'create');
    if (resolvers === undefined || typeof create !== 'function') {
      return this.miss('ExternalContextCreator.create()', 'resolvers');
    }
    resolvers.create = (...args: unknown[]) => {
      const [options, type] = [args[7], args[8]];
      const make = (): Callback => Reflect.apply(create, resolvers, args) as Callback;
      if (type !== 'graphql') {
        return make() as never;
      }
      this.making = options === undefined ? 'root field' : 'field';
      try {
        this.wasAsked = false;
        const callback = make();
        return (
          this.making === 'field'
            ? this.followOutside(callback)
            : this.follow(type, callback, this.wasAsked)
        ) as never;
      } finally {
        this.making = undefined;
        this.wasAsked = false;
      }
    };
  }

  /** The status of the HTTP request decides about a field. Over a WebSocket there is none. */
  private followOutside(callback: Callback): Callback {
    const { intake } = this.requests;
    const follower = this.follow('graphql', callback, false);
    return function (this: unknown, ...args) {
      return (lifeHere(intake) === undefined ? follower : callback).apply(this, args);
    };
  }

  private follow(type: string, callback: Callback, isInterceptorDue: boolean): Callback {
    const { requests } = this;
    return function (this: unknown, ...args) {
      const life = beginMessage(requests, type);
      life.isInterceptorDue = isInterceptorDue;
      return handleMessage(life, () => callback.apply(this, args));
    };
  }
}
