import type { ServerResponse } from 'node:http';
import { getDefaultHighWaterMark, type Readable } from 'node:stream';

export interface ResponseKeeper {
  /**
   * The head is about to leave with this status.
   *
   * @returns a promise if the head has to wait
   */
  answering(status: number): Promise<void> | void;
  /**
   * That promise has rejected, or Node.js has thrown an error for what was to be sent. It is thrown
   * away. Unless the head is out, another answer is due.
   */
  refused(error: unknown): void;
}

const SENDING = ['writeHead', 'flushHeaders', 'write', 'end'] as const;

type Sending = (typeof SENDING)[number];

type Send = (...args: unknown[]) => unknown;

interface Call {
  readonly name: Sending;
  readonly args: unknown[];
}

/** At this size of the kept body, `write()` returns false. */
const FULL_BYTES = getDefaultHighWaterMark(false);

/** The latest hold on a response. A Proxy around the response finds it too, and so does an object that inherits from it. */
const HOLD = Symbol('nestjs-background-tasks:hold');

type Held = ServerResponse & { [HOLD]?: Hold };

/**
 * Keeps a response from sending its first byte until its keeper is ready. It changes the response
 * itself, and no prototype. Code that sends meanwhile finds the response sent.
 *
 * @param response Node's own, before its head is sent
 */
export function holdBack(response: object, keeper: ResponseKeeper): void {
  const held = response as Held;
  const other = held[HOLD];
  const hold = new Hold(held, keeper, other);
  Object.defineProperty(held, HOLD, { value: hold, configurable: true });
  for (const name of SENDING) {
    held[name] = hold.instead(name, Reflect.get(held, name) as Send) as never;
  }
  if (other === undefined) {
    held.on('pipe', piped);
    held.on('unpipe', unpiped);
  }
}

class Hold {
  private state: 'waiting' | 'holding' | 'passing' = 'waiting';
  private calls: Call[] = [];
  private bytes = 0;
  /** Why the answer was thrown away. Another answer is sent in its place. */
  private refusal: unknown = undefined;
  /** The streams that are piped into the response. */
  readonly sources: Readable[];
  private readonly own = {} as Record<Sending, Send>;

  constructor(
    private readonly response: ServerResponse,
    private readonly keeper: ResponseKeeper,
    /** The hold of another application on the same server. */
    private readonly other: Hold | undefined,
  ) {
    this.sources = other?.sources ?? [];
  }

  get headersSent(): boolean {
    return this.isHolding || this.inherited('headersSent');
  }

  get writableEnded(): boolean {
    return this.hasEnd || this.inherited('writableEnded');
  }

  private get isHolding(): boolean {
    return this.state === 'holding' || this.other?.isHolding === true;
  }

  private get hasEnd(): boolean {
    return this.calls.some(({ name }) => name === 'end') || this.other?.hasEnd === true;
  }

  /** The value that the property has in Node.js. */
  private inherited(name: 'headersSent' | 'writableEnded'): boolean {
    const prototype = Object.getPrototypeOf(this.response) as object;
    return Reflect.get(prototype, name, this.response) as boolean;
  }

  /** The function that takes the place of `send`. */
  instead(name: Sending, send: Send): Send {
    this.own[name] = send;
    return (...args) => this.send(name, args);
  }

  private send(name: Sending, args: unknown[]): unknown {
    const { response } = this;
    if (this.state === 'waiting') {
      const status = name === 'writeHead' ? Number(args[0]) : response.statusCode;
      const ready = this.keeper.answering(status);
      if (ready === undefined) {
        this.state = 'passing';
      } else {
        this.hold(ready, status);
      }
    }
    if (this.refusal !== undefined && this.inherited('writableEnded')) {
      tell(args, this.refusal); // Node.js would emit an error that has no listener
      return name === 'write' ? false : response;
    }
    if (this.state === 'passing') {
      return Reflect.apply(this.own[name], response, args);
    }
    // A second head would be an error, and a compressing middleware writes one for each piece.
    if (name !== 'writeHead' || !this.calls.some((call) => call.name === 'writeHead')) {
      this.calls.push({ name, args });
    }
    if (name !== 'write') {
      return name === 'flushHeaders' ? undefined : response;
    }
    this.bytes += (args[0] as { readonly length?: number } | null)?.length ?? 0;
    return this.bytes < FULL_BYTES;
  }

  private hold(ready: Promise<void>, status: number): void {
    this.state = 'holding';
    // Never removed: an object with a deleted property is slow for good.
    Object.defineProperty(this.response, 'headersSent', HEADERS_SENT);
    Object.defineProperty(this.response, 'writableEnded', WRITABLE_ENDED);
    ready.then(() => this.pass(status)).catch((error: unknown) => this.refuse(error));
  }

  /** @throws the error of Node.js for an invalid header or piece, which was kept without a check */
  private pass(status: number): void {
    const { response, calls } = this;
    this.state = 'passing';
    if (response.destroyed) {
      return this.giveUp(response.errored ?? new Error('The response was destroyed'));
    }
    // A status that was assigned meanwhile is too late, as it is after a head that was sent.
    response.statusCode = status;
    const wasFull = this.bytes >= FULL_BYTES;
    let goesOn = true;
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
      const given = Reflect.apply(this.own[call.name], response, call.args);
      goesOn = call.name === 'write' ? given !== false : goesOn;
    }
    // Otherwise the writer emits it. Middleware that compresses has moved the listeners to its own stream.
    if (wasFull && goesOn && !response.writableEnded) {
      response.emit('drain');
    }
  }

  private refuse(error: unknown): void {
    this.state = this.inherited('headersSent') ? 'passing' : 'waiting';
    this.refusal = error;
    this.giveUp(error);
    this.sources.splice(0).forEach((source) => {
      source.unpipe(this.response);
      // Not now: a framework takes the end of the source for that of the response.
      this.response.once('close', () => source.destroy());
    });
    this.keeper.refused(error);
  }

  private giveUp(error: unknown): void {
    this.bytes = 0;
    this.calls.splice(0).forEach(({ args }) => tell(args, error));
  }
}

/** Calls the callback of a call that is not made. */
function tell(args: readonly unknown[], error: unknown): void {
  const callback = args.at(-1);
  if (typeof callback === 'function') process.nextTick(callback, error);
}

// One getter for all responses: with one for each, no two responses would have the same shape.

const HEADERS_SENT: PropertyDescriptor & ThisType<Held> = {
  configurable: true,
  get() {
    return this[HOLD]?.headersSent;
  },
};

const WRITABLE_ENDED: PropertyDescriptor & ThisType<Held> = {
  configurable: true,
  get() {
    return this[HOLD]?.writableEnded;
  },
};

function piped(this: Held, source: Readable): void {
  this[HOLD]?.sources.push(source);
}

function unpiped(this: Held, source: Readable): void {
  const { sources = [] } = this[HOLD] ?? {};
  const index = sources.indexOf(source);
  if (index >= 0) sources.splice(index, 1);
}
