import { ambient, type MethodIntake } from '../task/ambient.js';
import { isObject } from '../task/is-object.js';
import { Found } from './found.js';
import { RequestLife } from './request-life.js';

/** Leaves a life on what it belongs to. */
class Attached extends Found {
  #life: RequestLife | undefined = undefined;

  static leave(request: object, life: RequestLife): void {
    const attached = #life in request ? request : new Attached(request);
    attached.#life = life;
  }

  static on(request: object): RequestLife | undefined {
    return #life in request ? request.#life : undefined;
  }
}

/** Leaves a life on its request, whatever the transport wraps around that. */
export function attach(life: RequestLife, request: object): void {
  Attached.leave(rawOf(request), life);
}

/** The life left on a request: that of the latest application. */
export function attachedLife(request: unknown): RequestLife | undefined {
  return isObject(request) ? Attached.on(rawOf(request)) : undefined;
}

/** Node's own, where the transport has one of its own. */
function rawOf(request: object): object {
  const { raw } = request as { readonly raw?: unknown };
  return isObject(raw) ? raw : request;
}

/** The request of an application that is being handled here. */
export function lifeHere(intake: MethodIntake): RequestLife | undefined {
  const here = ambient.getStore();
  return here instanceof RequestLife ? here.of(intake) : undefined;
}

/**
 * The request that is being handled here: the one that the async context tells, unless that is none
 * of those left on `request`, because a shared connection has called back in another's context.
 */
export function lifeOf(request: unknown): RequestLife | undefined {
  const store = ambient.getStore();
  const here = store instanceof RequestLife ? store : undefined;
  const attached = attachedLife(request);
  if (attached === undefined) {
    return here; // GraphQL, RPC and WebSocket hand out something else as their request
  }
  const own = here && attached.of(here.intake);
  return own !== undefined && here?.isWithin(own) === true ? here : attached;
}

/** Enters its context, where something between the request's first hook and here has lost it. */
export function within<T>(life: RequestLife, call: () => T): T {
  return ambient.getStore() === life ? call() : ambient.run(life, call);
}
