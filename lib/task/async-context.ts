import { AsyncLocalStorage, AsyncResource, executionAsyncResource } from 'node:async_hooks';
import { ambient, type OpenRequest, type RunningTask } from './ambient.js';

/** The async context of the caller, or `undefined` if it is known to hold no store of others. */
export function captureContext(): AsyncResource | undefined {
  // Looking takes longer than keeping, but saves memory in bursts, which come from outside
  // requests.
  const isBurst = ambient.getStore() === undefined;
  if (isBurst && keepsStoresOnResources && storeSymbol(OWN) === undefined) {
    return undefined;
  }
  const resource = new AsyncResource('BackgroundTask', UNHEEDED);
  return keepsStoresInFrames && !hasStoreOfOthers(resource) ? undefined : resource;
}

/** Calls `callback(argument)` in a copy of the context: `enterWith()` does not change the caller's. */
export function inCopyOfContext<A, T>(callback: (argument: A) => T, argument: A): T {
  const copy = new AsyncResource('BackgroundTask', UNHEEDED);
  return copy.runInAsyncScope(callback, undefined, argument);
}

/** Calls `callback(argument)` in `context`, which an `enterWith()` in the callback does not change. */
export function inContext<A, T>(
  context: AsyncResource,
  callback: (argument: A) => T,
  argument: A,
): T {
  // A frame is immutable: `enterWith()` makes another one.
  return keepsStoresInFrames
    ? context.runInAsyncScope(callback, undefined, argument)
    : context.runInAsyncScope(inCopyOfContext<A, T>, undefined, callback, argument);
}

/** Like `ambient.run()`, without the second frame that this would make to restore the first. */
export function runIn(store: RunningTask | OpenRequest, callback: () => void): void {
  if (!keepsStoresInFrames) {
    return ambient.run(store, callback);
  }
  inCopyOfContext(() => {
    ambient.enterWith(store);
    callback();
  }, undefined);
}

/** Spares the destroy hook at garbage collection. */
const UNHEEDED = { requireManualDestroy: true };

/**
 * Up to Node.js 22 the stores of AsyncLocalStorage are kept on the current resource, under symbols
 * of this description; later versions use a separate frame. A context that visibly holds no store
 * is not kept.
 */
const STORE = 'kResourceStore';

/** The symbol of `ambient`'s own store, which a task replaces anyway. */
const OWN = ambient.run({} as never, () => storeSymbol(undefined));

const keepsStoresOnResources = whereStoreIsSeen(() => storeSymbol(OWN) !== undefined);

/** The symbol under which a resource keeps its frame: a map from storage to store. */
const FRAME = Object.getOwnPropertySymbols(new AsyncResource('BackgroundTask')).find(
  ({ description }) => description === 'context_frame',
);

const keepsStoresInFrames = whereStoreIsSeen(() => hasStoreOfOthers(new AsyncResource('Task')));

/** Both are internals of Node.js: they are used only if a probe finds them as expected. */
function whereStoreIsSeen(isSeen: () => boolean): boolean {
  const probe = new AsyncLocalStorage<boolean>();
  const isSeenWithin = probe.run(true, isSeen);
  const isSeenWithout = probe.exit(isSeen);
  probe.disable();
  return isSeenWithin && !isSeenWithout;
}

function hasStoreOfOthers(resource: AsyncResource): boolean {
  const frame =
    FRAME &&
    (resource as unknown as Record<symbol, Iterable<[unknown, unknown]> | undefined>)[FRAME];
  if (frame !== undefined) {
    for (const [storage, store] of frame) {
      if (storage !== ambient && store !== undefined) {
        return true;
      }
    }
  }
  return false;
}

function storeSymbol(except: symbol | undefined): symbol | undefined {
  const resource = executionAsyncResource() as Record<symbol, unknown>;
  for (const symbol of Object.getOwnPropertySymbols(resource)) {
    if (symbol.description === STORE && symbol !== except && resource[symbol] !== undefined) {
      return symbol;
    }
  }
  return undefined;
}
