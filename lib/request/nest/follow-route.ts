import type { Collection } from '../../intake/collection.js';
import { attachedCollection } from '../../intake/find-collection.js';
import { ambient } from '../../task/ambient.js';
import { takeOver } from '../../task/take-over.js';
import { followCall } from '../follow-handler.js';

/** Where Nest's parameter decorators leave what the arguments of a route are. */
const ROUTE_ARGUMENTS = '__routeArguments__';
/** The one that `@Req()` leaves. */
const REQUEST_ARGUMENT = 0;

type RouteArguments = Record<string, { readonly index: number }>;
type Handler = (this: unknown, ...args: unknown[]) => unknown;

/** Routes that are followed: a class may serve several applications. */
const followed = new WeakSet<object>();

/**
 * Puts in a route's place what calls it and sees how it ends, as an interceptor would: where there is
 * no other interceptor, one costs a request more than all else that Nest does for it. The request
 * comes as one more argument, behind those that the route has.
 */
export function followRoute(type: object, prototype: object, key: string): void {
  const route = (prototype as Record<string, Handler>)[key];
  if (route === undefined || followed.has(route)) {
    return;
  }
  const known = Reflect.getMetadata(ROUTE_ARGUMENTS, type, key) as RouteArguments | undefined;
  const position = Math.max(-1, ...Object.values(known ?? {}).map(({ index }) => index)) + 1;
  const withRequest = {
    ...known,
    [`${REQUEST_ARGUMENT}:${position}`]: { index: position, data: undefined, pipes: [] },
  };
  const follower = function (this: unknown, ...args: unknown[]): unknown {
    const request = args[position];
    const collection = attachedCollection(request);
    if (collection === undefined && !isRequest(request)) {
      return route.apply(this, args); // called by somebody else than Nest
    }
    args.length = position;
    if (collection === undefined) {
      return route.apply(this, args); // the class serves an application without this module, too
    }
    return collection.handler === 'none'
      ? enter(collection, () => route.apply(this, args))
      : route.apply(this, args);
  };
  takeOver(route, follower);
  followed.add(follower);
  Object.defineProperty(prototype, key, { value: follower, writable: true, configurable: true });
  Reflect.defineMetadata(ROUTE_ARGUMENTS, withRequest, type, key);
}

/** As Express and Fastify hand them out, over HTTP/1 and HTTP/2. */
function isRequest(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'headers' in value && 'url' in value;
}

/** Again, where something between the request's first hook and here has lost it. */
function enter(collection: Collection, call: () => unknown): unknown {
  return ambient.getStore() === collection
    ? followCall(collection, call)
    : ambient.run(collection, followCall, collection, call);
}
