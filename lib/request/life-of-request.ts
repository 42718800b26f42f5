import { ambient, type MethodIntake } from '../task/ambient.js';
import { isObject } from '../task/is-object.js';
import { RequestLife } from './request-life.js';

/**
 * A constructor that returns its argument: subclasses put private fields on objects that others
 * have made. Object walkers skip private fields, and they cost less than non-enumerable properties.
 */
const Found = function (found: object) {
  return found;
} as unknown as new (found: object) => object;

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

/** Attaches a life to the raw request, where it is found through every wrapper of the transport. */
export function attach(life: RequestLife, request: object): void {
  Attached.leave(rawOf(request), life);
}

/**
 * The life attached to a request: that of the latest application, whose siblings lead to the
 * others.
 */
export function attachedLife(request: unknown): RequestLife | undefined {
  return isObject(request) ? Attached.on(rawOf(request)) : undefined;
}

/** Node's request, where the transport wraps it. */
export function rawOf(request: object): object {
  const { raw } = request as { readonly raw?: unknown };
  return isObject(raw) ? raw : request;
}

export function lifeHere(intake: MethodIntake): RequestLife | undefined {
  const here = ambient.getStore();
  return here instanceof RequestLife ? here.of(intake) : undefined;
}

/**
 * The life of the current request. The async context tells it, unless that context belongs to
 * another request than `request`: a shared connection calls back in the context it was opened in.
 */
export function lifeOf(request: unknown): RequestLife | undefined {
  const store = ambient.getStore();
  const here = store instanceof RequestLife ? store : undefined;
  const attached = attachedLife(request);
  if (attached === undefined) {
    return here; // GraphQL, RPC and WebSocket pass something else as their request
  }
  const own = here && attached.of(here.intake);
  return own !== undefined && here?.isWithin(own) === true ? here : attached;
}

/** Runs `call` in the life's async context, which may have been lost since the request's first hook. */
export function within<T>(life: RequestLife, call: () => T): T {
  return ambient.getStore() === life ? call() : ambient.run(life, call);
}
