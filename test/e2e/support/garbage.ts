import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A weak reference is not let go before the turn of the event loop in which it was read has ended. */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(setImmediate);
    gc();
  }
}
