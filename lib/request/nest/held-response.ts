import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';

/** Told what becomes of a response that is held back. */
export interface ResponseKeeper {
  /**
   * The head is about to leave with this status.
   *
   * @returns what it has to wait for
   */
  answering(status: number): Promise<void> | void;
  /** What it had to wait for has failed, what was to be sent is thrown away: another answer is due. */
  refused(error: unknown): void;
}

/** What sends something. */
const SENDING = ['writeHead', 'flushHeaders', 'write', 'end'] as const;

type Sending = (typeof SENDING)[number];

interface Call {
  readonly name: Sending;
  readonly args: unknown[];
}

/**
 * Keeps a response from sending its first byte until its keeper is ready. On the response itself, and
 * on no prototype; whoever sends something meanwhile finds it sent, as far as a response can tell.
 *
 * @param response Node's own, before its head is sent
 */
export function holdBack(response: object, keeper: ResponseKeeper): void {
  const held = response as ServerResponse;
  const send = Object.fromEntries(
    SENDING.map((name) => [name, Reflect.get(held, name) as unknown]),
  ) as Record<Sending, (...args: unknown[]) => unknown>;
  /** What others pipe into it. */
  const sources = new Set<Readable>();
  let state: 'waiting' | 'holding' | 'passing' = 'waiting';
  let calls: Call[] = [];

  const replay = ({ name, args }: Call): unknown => Reflect.apply(send[name], held, args);

  const release = (): Call[] => {
    const kept = calls;
    calls = [];
    // Its own properties stood in front of what the response says of itself.
    Reflect.deleteProperty(held, 'headersSent');
    Reflect.deleteProperty(held, 'writableEnded');
    return kept;
  };

  const pass = (status: number): void => {
    const kept = release();
    state = 'passing';
    if (held.destroyed) {
      return;
    }
    // What was assigned since has come too late, as it has for a head that was sent.
    held.statusCode = status;
    const wasFull = kept.some(({ name }) => name === 'write');
    kept.forEach((call) => replay(call));
    if (wasFull && !held.writableEnded && !held.writableNeedDrain) {
      held.emit('drain');
    }
  };

  const refuse = (error: unknown): void => {
    release();
    state = 'waiting';
    sources.forEach((source) => {
      source.unpipe(held);
      // Not now: a framework takes its end for that of the response.
      held.once('close', () => source.destroy());
    });
    keeper.refused(error);
  };

  const hold = (ready: Promise<void>, status: number): void => {
    state = 'holding';
    Object.defineProperties(held, {
      headersSent: { value: true, configurable: true },
      writableEnded: { get: () => calls.some(({ name }) => name === 'end'), configurable: true },
    });
    ready.then(() => pass(status), refuse);
  };

  const sending =
    (name: Sending) =>
    (...args: unknown[]): unknown => {
      if (state === 'waiting') {
        const status = name === 'writeHead' ? Number(args[0]) : held.statusCode;
        const ready = keeper.answering(status);
        if (ready === undefined) {
          state = 'passing';
        } else {
          hold(ready, status);
        }
      }
      if (state === 'passing') {
        return replay({ name, args });
      }
      // A second head would be an error, and a compressing middleware writes one for each piece.
      if (name !== 'writeHead' || !calls.some((call) => call.name === 'writeHead')) {
        calls.push({ name, args });
      }
      return name === 'write' ? false : held;
    };

  held.on('pipe', (source: Readable) => sources.add(source));
  held.on('unpipe', (source: Readable) => sources.delete(source));
  Object.assign(held, Object.fromEntries(SENDING.map((name) => [name, sending(name)])));
}
