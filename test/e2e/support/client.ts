import { request, type Agent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Waiting } from '../../support/waiting.js';

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** None closes the connection after the response. */
  readonly agent?: Agent;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Resolves when the head of the response is there; its body is the caller's to read. */
export function open(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body, agent }: RequestOptions = {},
): Promise<IncomingMessage> {
  const json = body === undefined ? undefined : JSON.stringify(body);
  const type = json === undefined ? undefined : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    request({
      host: '127.0.0.1',
      port,
      path,
      method,
      agent: agent ?? false,
      headers: { ...type, ...headers },
    })
      .once('response', resolve)
      .once('error', reject)
      .end(json);
  });
}

export async function read(response: IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
  }
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: Buffer.concat(chunks).toString(),
  };
}

export async function send(port: number, path: string, options?: RequestOptions): Promise<Reply> {
  return read(await open(port, path, options));
}

/** A connection that speaks no HTTP of its own: what is sent, and when, is the test's. */
export class RawConnection {
  received = '';
  private readonly waiting = new Waiting();

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString();
      this.waiting.lookAgain();
    });
    // A reset is what some tests are about.
    socket.on('error', () => undefined);
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new RawConnection(socket)));
      socket.once('error', reject);
    });
  }

  /** Several requests in one piece. */
  get(...paths: string[]): void {
    this.socket.write(
      paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(''),
    );
  }

  /** Resolves when `text` has arrived. */
  untilReceived(text: string): Promise<void> {
    return this.waiting.until(() => this.received.includes(text));
  }

  destroy(): void {
    this.socket.destroy();
  }
}
