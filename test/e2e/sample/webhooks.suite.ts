import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isSignedBy } from '../../../sample/webhooks/signature.js';
import type { Subscription } from '../../../sample/webhooks/subscriptions.js';
import { WebhookOptions } from '../../../sample/webhooks/webhook-options.js';
import type { Reply } from '../support/client.js';
import type { SettledEvent } from '../support/history.js';
import { EXPRESS } from '../support/platforms.js';
import { useSample } from './sample-app.js';

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
}

/** Somebody who has registered: answers as it is told, and then with 204. */
class Receiver {
  readonly received: { readonly body: string; readonly headers: IncomingHttpHeaders }[] = [];
  readonly answers: Answer[] = [];
  private readonly server: Server = createServer((request, response) => {
    void this.answer(request, response);
  });

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`;
  }

  async listen(): Promise<void> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.received.push({ body: await text(request), headers: request.headers });
    const { status, headers } = this.answers.shift() ?? { status: 204 };
    response.writeHead(status, headers).end();
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe('sample: webhooks', () => {
  const sample = useSample(EXPRESS);
  let receiver: Receiver;

  beforeEach(async () => {
    receiver = new Receiver();
    await receiver.listen();
    allowPrivate(true);
  });

  afterEach(() => receiver.close());

  function allowPrivate(isAllowed: boolean): void {
    sample().app.nest.get(WebhookOptions).allowPrivate = isAllowed;
  }

  const register = (url: string): Promise<Reply> => sample().post('/webhooks', { url });

  /** Resolves to the first delivery when it has settled. */
  async function publish(data?: unknown): Promise<{ delivery: string; settled: SettledEvent[] }> {
    const reply = await sample().post('/webhooks/events', { type: 'user.closed', data });
    expect(reply.status).toBe(202);
    const [delivery = ''] = (JSON.parse(reply.body) as { deliveries: string[] }).deliveries;
    return { delivery, settled: await sample().app.untilSettled(1) };
  }

  it('delivers what has happened, signed with the secret of the registration', async () => {
    const { secret } = JSON.parse((await register(receiver.url)).body) as Subscription;
    const { delivery } = await publish({ id: 1 });
    expect(await sample().getJson(delivery)).toMatchObject({ status: 'completed', attempts: 1 });
    const [received] = receiver.received;
    const body = received?.body ?? '';
    const headers = received?.headers ?? {};
    expect(JSON.parse(body)).toMatchObject({ type: 'user.closed', data: { id: 1 } });
    const timestamp = String(headers['x-webhook-timestamp']);
    const signature = String(headers['x-webhook-signature']);
    expect(isSignedBy(secret, timestamp, body, signature)).toBe(true);
    expect(isSignedBy('another', timestamp, body, signature)).toBe(false);
    expect(isSignedBy(secret, timestamp, `${body} `, signature)).toBe(false);
  });

  it('tries again after 5xx, with the same id, and waits as long as the receiver asks for', async () => {
    receiver.answers.push({ status: 500 }, { status: 503, headers: { 'retry-after': '1' } });
    await register(receiver.url);
    const { settled } = await publish();
    expect(settled).toMatchObject([{ type: 'completed', attempt: 3 }]);
    const ids = receiver.received.map(({ body }) => (JSON.parse(body) as { id: string }).id);
    expect(ids).toEqual([ids[0], ids[0], ids[0]]);
    const waits = sample().app.events.flatMap((event) => ('delayMs' in event ? event.delayMs : []));
    expect(waits.at(-1)).toBe(1_000);
  });

  it('shows all of it with the receiver that the sample has', async () => {
    await register(`http://127.0.0.1:${sample().app.port}/webhook-receiver?failures=1`);
    const { settled } = await publish({ id: 7 });
    expect(settled).toMatchObject([{ type: 'completed', attempt: 2 }]);
    expect(await sample().getJson('/webhook-receiver')).toMatchObject([
      { body: { data: { id: 7 } }, isSigned: true },
    ]);
  });

  describe('without permission for private addresses', () => {
    it('O23: refuses them, and tells nobody outside what a name leads to inside', async () => {
      allowPrivate(false);
      for (const url of [
        'http://127.0.0.1:9/',
        'http://localhost/',
        'http://[::1]/',
        'http://[::ffff:10.0.0.1]/',
        'http://10.1.2.3/',
        'http://192.168.1.1/',
        'http://169.254.169.254/latest/meta-data',
        'http://0x7f.1/',
        'http://no-such-name.invalid/',
      ]) {
        const refusal = await register(url);
        expect([url, refusal.status]).toEqual([url, 422]);
        expect(refusal.body).not.toMatch(/\d+\.\d+\.\d+|::|private|ENOTFOUND/);
      }
    });

    it('delivers nothing to them either, whatever was registered', async () => {
      await register(receiver.url);
      allowPrivate(false);
      const { delivery } = await publish();
      expect(await sample().getJson(delivery)).toMatchObject({
        status: 'failed',
        attempts: 1,
        reason: expect.stringMatching(/^127\.0\.0\.1:\d+ is not a public address\.$/),
      });
      expect(receiver.received).toEqual([]);
    });
  });
});
