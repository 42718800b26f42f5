import { ambient } from '../task/ambient.js';
import { RequestLife } from './request-life.js';

const LIFE = Symbol('nestjs-background-tasks:request');

interface RequestLike {
  [LIFE]?: RequestLife;
  readonly raw?: RequestLike;
}

/** Leaves the life on its request, for where the async context has been lost on the way. */
export function attachLife(request: object, life: RequestLife): void {
  const { raw = request } = request as RequestLike;
  Object.defineProperty(raw, LIFE, { value: life, configurable: true });
}

/** The life left on `request`, whatever the transport wraps around it: that of the latest application. */
export function attachedLife(request: unknown): RequestLife | undefined {
  if (typeof request !== 'object' || request === null) {
    return undefined;
  }
  const { [LIFE]: attached, raw } = request as RequestLike;
  return attached ?? raw?.[LIFE];
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
