import { AsyncLocalStorage, AsyncResource, executionAsyncResource } from 'node:async_hooks';

/**
 * Up to Node.js 22 the stores of AsyncLocalStorage are kept on the current resource, under symbols
 * of this description; later in a frame of their own. Where they can be seen, looking for one costs
 * less than capturing a context that holds none.
 */
const STORE = 'kResourceStore';

const canSeeStores = ((): boolean => {
  const probe = new AsyncLocalStorage<boolean>();
  const isSeen = probe.run(true, hasStore);
  probe.disable();
  return isSeen;
})();

/** The async context of the caller, or `undefined` where it holds nothing. */
export function captureContext(): AsyncResource | undefined {
  return canSeeStores && !hasStore()
    ? undefined
    : new AsyncResource('BackgroundTask', { requireManualDestroy: true });
}

function hasStore(): boolean {
  const resource = executionAsyncResource() as Record<symbol, unknown>;
  for (const symbol of Object.getOwnPropertySymbols(resource)) {
    if (symbol.description === STORE && resource[symbol] !== undefined) {
      return true;
    }
  }
  return false;
}
