import { createRequire } from 'node:module';
import type * as PiscinaPackage from 'piscina';
import { takeApart } from './sent-error.js';
import type { ThreadCall, ThreadReply } from './thread-call.js';
import { transferListOf } from './transfer.js';

type Callable = (...args: readonly unknown[]) => unknown;

/** The code that each thread of a pool runs: finds the function, calls it, and replies. */
export async function callInThread(call: ThreadCall): Promise<ThreadReply> {
  const found = await find(call);
  if (typeof found !== 'function') {
    return found;
  }
  let reply: ThreadReply;
  try {
    reply = { kind: 'returned', value: await found(...call.args) };
  } catch (error) {
    return { kind: 'threw', error: takeApart(error) };
  }
  const transferList = transferListOf([reply.value]);
  return transferList.length > 0 ? moving(reply, transferList) : checked(reply);
}

async function find({ href, exportName }: ThreadCall): Promise<Callable | ThreadReply> {
  let exports: Record<string, unknown>;
  try {
    exports = (await import(href)) as Record<string, unknown>;
  } catch (error) {
    return { kind: 'missing', problem: 'it cannot be loaded', error: takeApart(error) };
  }
  // Node.js does not detect every export of a CommonJS module; `default` has them all.
  const candidate = [exports, exports['default']]
    .map((from) => ownOf(from, exportName))
    .find(isCallable);
  if (candidate !== undefined) {
    return candidate;
  }
  const names = Object.keys(exports).filter((name) => isCallable(exports[name]));
  const known =
    names.length === 0 ? 'it exports no function' : `its functions: ${names.join(', ')}`;
  return { kind: 'missing', problem: `it exports no function "${exportName}" (${known})` };
}

/** Ignores inherited properties such as `constructor`, which no module exports. */
function ownOf(from: unknown, name: string): unknown {
  return from !== null && from !== undefined && Object.hasOwn(from, name)
    ? (from as Record<string, unknown>)[name]
    : undefined;
}

function isCallable(value: unknown): value is Callable {
  return typeof value === 'function';
}

/** An unsendable result found here fails only its task; found by the channel, it ends the thread. */
function checked(reply: Extract<ThreadReply, { kind: 'returned' }>): ThreadReply {
  if (isPlainlySendable(reply.value)) {
    return reply;
  }
  try {
    structuredClone(reply.value);
    return reply;
  } catch (error) {
    return { kind: 'unsendable', problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Most results are of these types, and skip the trial copy, which is expensive for large buffers. */
function isPlainlySendable(value: unknown): boolean {
  return (
    ArrayBuffer.isView(value) ||
    value instanceof ArrayBuffer ||
    (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol') ||
    value === null
  );
}

function moving(reply: ThreadReply, transferList: readonly ArrayBuffer[]): ThreadReply {
  // Loaded on demand: most threads never need it.
  const { move, transferableSymbol, valueSymbol } = createRequire(import.meta.url)(
    'piscina',
  ) as typeof PiscinaPackage;
  const moved = { [transferableSymbol]: transferList, [valueSymbol]: reply };
  return move(moved as never) as unknown as ThreadReply;
}
