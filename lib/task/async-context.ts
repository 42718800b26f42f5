import { AsyncLocalStorage, AsyncResource, executionAsyncResource } from 'node:async_hooks';
import { ambient, type OpenRequest, type RunningTask } from './ambient.js';

/** The async context of the caller, or `undefined` where it is seen to hold nothing of others. */
export function captureContext(): AsyncResource | undefined {
  // To look takes longer than to keep; but many may be added outside of requests and tasks.
  const isBurst = ambient.getStore() === undefined;
  if (isBurst && keepsStoresOnResources && storeSymbol(OWN) === undefined) {
    return undefined;
  }
  const resource = new AsyncResource('BackgroundTask', UNHEEDED);
  return keepsStoresInFrames && !hasStoreOfOthers(resource) ? undefined : resource;
}

/** Calls `callback(argument)` where `AsyncLocalStorage.enterWith()` changes nothing for the caller. */
export function inCopyOfContext<A, T>(callback: (argument: A) => T, argument: A): T {
  const copy = new AsyncResource('BackgroundTask', UNHEEDED);
  return copy.runInAsyncScope(callback, undefined, argument);
}

/** Calls `callback(argument)` in `context`, which is left as it is whatever is entered there for good. */
export function inContext<A, T>(
  context: AsyncResource,
  callback: (argument: A) => T,
  argument: A,
): T {
  // A frame never changes: whoever enters something makes another one.
  return keepsStoresInFrames
    ? context.runInAsyncScope(callback, undefined, argument)
    : context.runInAsyncScope(inCopyOfContext<A, T>, undefined, callback, argument);
}

/** As `ambient.run()`, which pays for a second frame where there are frames: to go back to the first one's contents. */
export function runIn(store: RunningTask | OpenRequest, callback: () => void): void {
  if (!keepsStoresInFrames) {
    return ambient.run(store, callback);
  }
  inCopyOfContext(() => {
    ambient.enterWith(store);
    callback();
  }, undefined);
}

/** Nobody is told when it is collected. */
const UNHEEDED = { requireManualDestroy: true };

/**
 * Up to Node.js 22 the stores of AsyncLocalStorage are kept on the current resource, under symbols
 * of this description; later in a frame of their own. Where they can be seen, a context that holds none
 * is not kept.
 */
const STORE = 'kResourceStore';

/** Under which symbol the request or attempt is kept: a task enters a context of its own there. */
const OWN = ambient.run({} as never, () => storeSymbol(undefined));

const keepsStoresOnResources = whereStoreIsSeen(() => storeSymbol(OWN) !== undefined);

/** Under which a resource keeps the frame it was made in: a map of stores by their storages. */
const FRAME = Object.getOwnPropertySymbols(new AsyncResource('BackgroundTask')).find(
  ({ description }) => description === 'context_frame',
);

const keepsStoresInFrames = whereStoreIsSeen(() => hasStoreOfOthers(new AsyncResource('Task')));

/** Both are internals of Node.js: they are relied on where they turn out to be as expected. */
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
