import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';

/** The connection of one client, as far as a response shows it. */
export class FakeSocket extends EventEmitter {
  destroyed = false;

  /** The client goes away. */
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

/** A response of Node.js without a network. */
export class FakeResponse extends Writable {
  headersSent = false;
  statusCode = 200;
  readonly req: { readonly socket: FakeSocket };

  constructor(socket = new FakeSocket()) {
    super({ write: (_chunk, _encoding, written) => written() });
    this.req = { socket };
  }

  /** Sends all of it, to the last byte. */
  answer(statusCode = 200): this {
    this.statusCode = statusCode;
    this.headersSent = true;
    return this.end('body');
  }
}
