import { ambient } from '../task/ambient.js';
import { isObject } from '../task/is-object.js';
import type { Answerer } from './nest/answer-with.js';
import { rawResponse } from './nest/response.js';
import { RequestLife } from './request-life.js';
import type { Requests } from './requests.js';

/** A constructor that gives back what it gets, for fields on what somebody else has made. */
const Found = function (found: object) {
  return found;
} as unknown as new (found: object) => object;

/** Where no walker sees it, and for less than a property that is not enumerable. */
class Attached extends Found {
  #life: RequestLife | undefined = undefined;

  static leave(request: object, life: RequestLife): void {
    const attached = #life in request ? request : new Attached(request);
    attached.#life = life;
  }

  static on(request: unknown): RequestLife | undefined {
    return isObject(request) && #life in request ? request.#life : undefined;
  }
}

/**
 * The life of a request in one application, opened where it has not been, and left on the request, on
 * Node's own where that is wrapped. On Fastify a request may come by twice: raw in a middleware, wrapped
 * in the hook.
 */
export function openLife(
  requests: Requests,
  request: object,
  response: object,
  answerer?: Answerer,
): RequestLife {
  const attached = attachedLife(request);
  const known = attached?.of(requests.intake);
  if (known !== undefined) {
    known.comesAgain(request, answerer);
    return known;
  }
  const opening = { response: rawResponse(response), request, sibling: attached, answerer };
  const life = requests.begin(opening);
  const raw = rawOf(request);
  Attached.leave(isObject(raw) ? raw : request, life);
  return life;
}

/** The life left on `request`, whatever the transport wraps around it: that of the latest application. */
export function attachedLife(request: unknown): RequestLife | undefined {
  return Attached.on(request) ?? (isObject(request) ? Attached.on(rawOf(request)) : undefined);
}

function rawOf(request: object): unknown {
  return (request as { readonly raw?: unknown }).raw;
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
