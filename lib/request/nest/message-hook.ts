import type { ExecutionContext, CallHandler, NestInterceptor } from '@nestjs/common';
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
  /** Nest has read the interceptor since the flag was last cleared. */
  private wasAsked = false;
  private isMakingResolver = false;
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
    this.config.useGlobalInterceptors(this.messagesOnly());
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

  /** Nest skips an interceptor whose `intercept` is undefined. */
  private messagesOnly(): NestInterceptor {
    const { interceptor } = this;
    const intercept = (context: ExecutionContext, next: CallHandler) =>
      interceptor.intercept(context, next);
    const isForRoute = (): boolean => this.isForRoute();
    return {
      get intercept() {
        return isForRoute() ? (undefined as never) : intercept;
      },
    };
  }

  private isForRoute(): boolean {
    if (this.isMakingResolver) {
      this.wasAsked = true;
      return false;
    }
    const here = lifeHere(this.requests.intake);
    if (here instanceof MessageLife) {
      here.isInterceptorDue = true;
      return false;
    }
    this.wasAsked = true;
    return this.areRoutesFollowed && (this.areRoutesMade || here !== undefined);
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
      if (type !== 'graphql' || options !== undefined) {
        return Reflect.apply(create, resolvers, args) as never; // a field of an object type, or not GraphQL
      }
      this.isMakingResolver = true;
      try {
        this.wasAsked = false;
        const callback = Reflect.apply(create, resolvers, args) as Callback;
        return this.follow('graphql', callback, this.wasAsked) as never;
      } finally {
        this.isMakingResolver = false;
        this.wasAsked = false;
      }
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
