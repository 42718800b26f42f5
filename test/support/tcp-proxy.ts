import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * A connection to a server on the loopback address that can be cut or redirected, as networks do
 * it.
 */
export class TcpProxy {
  private readonly server = createServer((client) => this.accept(client));
  private readonly pairs = new Set<{ client: Socket; upstream: Socket }>();
  /** How many connections were made. */
  accepted = 0;

  constructor(private target: number) {}

  async start(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  /** New connections go to `target`; open ones stay where they are. */
  lead(target: number): void {
    this.target = target;
  }

  /** The open connections stay open, but carry no more data. */
  silence(): void {
    for (const { client, upstream } of this.pairs) {
      client.unpipe(upstream);
      upstream.unpipe(client);
      client.on('data', () => undefined);
      upstream.destroy();
    }
  }

  async close(): Promise<void> {
    this.pairs.forEach(({ client, upstream }) => {
      client.destroy();
      upstream.destroy();
    });
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(client: Socket): void {
    this.accepted += 1;
    const upstream = connect(this.target, '127.0.0.1');
    const pair = { client, upstream };
    this.pairs.add(pair);
    client.pipe(upstream, { end: false });
    upstream.pipe(client, { end: false });
    client.on('error', () => undefined);
    upstream.on('error', () => undefined);
    client.on('close', () => {
      this.pairs.delete(pair);
      upstream.destroy();
    });
  }
}
