import { ambient } from '../task/ambient.js';
import { Collection } from './collection.js';

const COLLECTION = Symbol('nestjs-background-tasks:collection');

interface RequestLike {
  [COLLECTION]?: Collection;
  readonly raw?: RequestLike;
}

/** Leaves the collection on the request, for where the async context has been lost on the way. */
export function attachCollection(request: object, collection: Collection): void {
  const { raw = request } = request as RequestLike;
  (raw as RequestLike)[COLLECTION] = collection;
}

/** The collection left on `request`, whatever the transport wraps around it. */
export function attachedCollection(request: unknown): Collection | undefined {
  if (typeof request !== 'object' || request === null) {
    return undefined;
  }
  const { [COLLECTION]: attached, raw } = request as RequestLike;
  return attached ?? raw?.[COLLECTION];
}

/**
 * The collection of the request that is being handled here: the one left on it, else the one of
 * the async context (GraphQL, RPC and WebSocket hand out something else as their request).
 */
export function findCollection(request: unknown): Collection | undefined {
  const here = ambient.getStore();
  return attachedCollection(request) ?? (here instanceof Collection ? here : undefined);
}
