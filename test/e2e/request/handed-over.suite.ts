import { once } from 'node:events';
import { request, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { expect, it } from '@jest/globals';
import { Background } from 'nestjs-background-tasks';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { startApp } from '../support/running-app.js';

class Visits {
  readonly entries: string[] = [];

  @Background()
  async note(entry: string): Promise<void> {
    this.entries.push(entry);
  }

  @Background({ when: 'failure' })
  async miss(entry: string): Promise<void> {
    this.entries.push(entry);
  }
}

/** Express has `handle`, Fastify `routing`. */
interface Framework {
  get(path: string, route: (request: IncomingMessage, response: unknown) => void): void;
  handle?(request: IncomingMessage, response: ServerResponse): void;
  routing?(request: IncomingMessage, response: ServerResponse): void;
}

type Answer = (response: unknown, visits: Visits, platform: Platform) => void;

const HEADERS = { connection: 'upgrade', upgrade: 'websocket' };
const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';

const writing =
  (head: string): Answer =>
  (response, visits, platform) => {
    platform.takeOver(response).socket?.write(head);
    void visits.note('connected');
  };
const refusing: Answer = (response, _visits, platform) => {
  (response as { status(code: number): void }).status(422);
  platform.answer(response, {});
};

onEachPlatform((platform) => {
  it.each<[string, string, Answer, string[]]>([
    ['becomes a WebSocket', 'upgrade', writing(SWITCHING), ['asked', 'connected']],
    [
      'is refused by hand',
      'response',
      writing('HTTP/1.1 401 Unauthorized\r\n\r\n'),
      ['missed', 'connected'],
    ],
    ['is answered as any request', 'response', refusing, ['missed']],
  ])('P1, P3, P5, P6: a request for an upgrade %s', async (_what, event, answer, entries) => {
    const app = await startApp(platform, {
      providers: [Visits],
      configure: (nest) => {
        const framework = nest.getHttpAdapter().getInstance() as Framework;
        framework.get('/socket', (_request, response) => {
          const visits = nest.get(Visits);
          void visits.note('asked');
          void visits.miss('missed');
          answer(response, visits, platform);
        });
        // The request is routed, as @fastify/websocket and express-ws do it.
        (nest.getHttpServer() as Server).on(
          'upgrade',
          (upgrade: IncomingMessage, socket: Socket) => {
            const response = new ServerResponse(upgrade);
            response.assignSocket(socket);
            socket.resume().on('end', () => socket.destroy());
            (framework.handle ?? framework.routing)?.call(framework, upgrade, response);
          },
        );
      },
    });
    const opening = request({ port: app.port, path: '/socket', headers: HEADERS }).end();
    try {
      await once(opening, event);
      await app.untilSettled(entries.length + 1);
      expect(app.names('dropped')).toHaveLength(1);
      expect(app.nest.get(Visits).entries.toSorted()).toEqual(entries.toSorted());
    } finally {
      opening.socket?.destroy();
    }
  });
});
