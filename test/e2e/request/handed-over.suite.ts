import { once } from 'node:events';
import { request, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { expect, it } from '@jest/globals';
import { Background } from 'nestjs-background-tasks';
import { onEachPlatform } from '../support/platforms.js';
import { startApp } from '../support/running-app.js';

class Visits {
  readonly entries: string[] = [];

  @Background()
  async note(entry: string): Promise<void> {
    this.entries.push(entry);
  }
}

/** Express has `handle`, Fastify `routing`. */
interface Framework {
  get(path: string, route: (request: IncomingMessage, response: unknown) => void): void;
  handle?(request: IncomingMessage, response: ServerResponse): void;
  routing?(request: IncomingMessage, response: ServerResponse): void;
}

const HEADERS = { connection: 'upgrade', upgrade: 'websocket' };
const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';

onEachPlatform((platform) => {
  it('P5, P6: a connection that became a WebSocket has no response whose end its tasks wait for', async () => {
    const app = await startApp(platform, {
      providers: [Visits],
      configure: (nest) => {
        const framework = nest.getHttpAdapter().getInstance() as Framework;
        framework.get('/socket', (_request, response) => {
          const { socket } = platform.takeOver(response);
          socket?.write(SWITCHING);
          socket?.resume().on('end', () => socket.destroy());
          void nest.get(Visits).note('connected');
        });
        // The request is routed, as @fastify/websocket and express-ws do it.
        (nest.getHttpServer() as Server).on(
          'upgrade',
          (upgrade: IncomingMessage, socket: Socket) => {
            const response = new ServerResponse(upgrade);
            response.assignSocket(socket);
            (framework.handle ?? framework.routing)?.call(framework, upgrade, response);
          },
        );
      },
    });
    const opening = request({ port: app.port, path: '/socket', headers: HEADERS }).end();
    const [, socket] = (await once(opening, 'upgrade')) as [IncomingMessage, Socket];
    await app.untilSettled(1);
    expect(app.names('completed')).toEqual(['Visits.note']);
    expect(app.nest.get(Visits).entries).toEqual(['connected']);
    socket.destroy();
  });
});
