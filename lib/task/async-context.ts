import { AsyncLocalStorage, AsyncResource, executionAsyncResource } from 'node:async_hooks';
import { ambient } from './ambient.js';

/**
 * Up to Node.js 22 the stores of AsyncLocalStorage are kept on the current resource, under symbols
 * of this description; later in a frame of their own. Where they can be seen, looking for one costs
 * less than capturing a context that holds none.
 */
const STORE = 'kResourceStore';

/** Under which symbol the request or attempt is kept: a task enters a context of its own there. */
const OWN = ambient.run({} as never, () => storeSymbol(undefined));

const canSeeStores = ((): boolean => {
  const probe = new AsyncLocalStorage<boolean>();
  const isSeen = probe.run(true, () => storeSymbol(OWN)) !== undefined;
  probe.disable();
  return isSeen;
})();

/** The async context of the caller, or `undefined` where it holds nothing of others. */
export function captureContext(): AsyncResource | undefined {
  return canSeeStores && storeSymbol(OWN) === undefined
    ? undefined
    : new AsyncResource('BackgroundTask', { requireManualDestroy: true });
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
