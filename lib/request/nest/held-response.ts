import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { Found } from '../found.js';

export interface ResponseKeeper {
  /**
   * The head is about to leave with this status.
   *
   * @returns a promise if the head has to wait
   */
  answering(status: number): Promise<void> | void;
  /** That promise has rejected. What was to be sent is thrown away, and another answer is due. */
  refused(error: unknown): void;
}

const SENDING = ['writeHead', 'flushHeaders', 'write', 'end'] as const;

type Sending = (typeof SENDING)[number];

type Send = (...args: unknown[]) => unknown;

interface Call {
  readonly name: Sending;
  readonly args: unknown[];
}

/**
 * Keeps a response from sending its first byte until its keeper is ready. It changes the response
 * itself, and no prototype. Code that sends meanwhile finds the response sent.
 *
 * @param response Node's own, before its head is sent
 */
export function holdBack(response: object, keeper: ResponseKeeper): void {
  const held = response as ServerResponse;
  const hold = new Hold(held, keeper, Held.by(held));
  Held.leave(held, hold);
  for (const name of SENDING) {
    held[name] = hold.instead(name, Reflect.get(held, name) as Send) as never;
  }
  held.on('pipe', piped);
  held.on('unpipe', unpiped);
}

class Hold {
  private state: 'waiting' | 'holding' | 'passing' = 'waiting';
  private calls: Call[] = [];
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

  get isHolding(): boolean {
    return this.state === 'holding' || this.other?.isHolding === true;
  }

  get hasEnd(): boolean {
    return this.calls.some(({ name }) => name === 'end') || this.other?.hasEnd === true;
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
    if (this.state === 'passing') {
      return Reflect.apply(this.own[name], response, args);
    }
    // A second head would be an error, and a compressing middleware writes one for each piece.
    if (name !== 'writeHead' || !this.calls.some((call) => call.name === 'writeHead')) {
      this.calls.push({ name, args });
    }
    return name === 'write' ? false : response;
  }

  private hold(ready: Promise<void>, status: number): void {
    this.state = 'holding';
    // Never removed: an object with a deleted property is slow for good.
    Object.defineProperty(this.response, 'headersSent', HEADERS_SENT);
    Object.defineProperty(this.response, 'writableEnded', WRITABLE_ENDED);
    ready.then(
      () => this.pass(status),
      (error: unknown) => this.refuse(error),
    );
  }

  private pass(status: number): void {
    const { response, calls } = this;
    this.state = 'passing';
    this.calls = [];
    if (response.destroyed) {
      return;
    }
    // A status that was assigned meanwhile is too late, as it is after a head that was sent.
    response.statusCode = status;
    for (const { name, args } of calls) {
      Reflect.apply(this.own[name], response, args);
    }
    const wasFull = calls.some(({ name }) => name === 'write');
    if (wasFull && !response.writableEnded && !response.writableNeedDrain) {
      response.emit('drain');
    }
  }

  private refuse(error: unknown): void {
    this.calls = [];
    this.state = 'waiting';
    this.sources.splice(0).forEach((source) => {
      source.unpipe(this.response);
      // Not now: a framework takes the end of the source for that of the response.
      this.response.once('close', () => source.destroy());
    });
    this.keeper.refused(error);
  }
}

/** The latest hold on a response. */
class Held extends Found {
  #hold: Hold | undefined = undefined;

  static leave(response: object, hold: Hold): void {
    const held = #hold in response ? response : new Held(response);
    held.#hold = hold;
  }

  static by(response: object): Hold | undefined {
    return #hold in response ? response.#hold : undefined;
  }
}

// One getter for all responses: with one for each, no two responses would have the same shape.

const HEADERS_SENT: PropertyDescriptor & ThisType<object> = {
  configurable: true,
  get() {
    return Held.by(this)?.isHolding === true || inherited(this, 'headersSent');
  },
};

const WRITABLE_ENDED: PropertyDescriptor & ThisType<object> = {
  configurable: true,
  get() {
    return Held.by(this)?.hasEnd === true || inherited(this, 'writableEnded');
  },
};

function inherited(response: object, name: string): unknown {
  return Reflect.get(Object.getPrototypeOf(response) as object, name, response);
}

function piped(this: ServerResponse, source: Readable): void {
  Held.by(this)?.sources.push(source);
}

function unpiped(this: ServerResponse, source: Readable): void {
  const { sources = [] } = Held.by(this) ?? {};
  const index = sources.indexOf(source);
  if (index >= 0) sources.splice(index, 1);
}
