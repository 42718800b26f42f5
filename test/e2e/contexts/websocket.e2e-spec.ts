import { once } from 'node:events';
import { afterEach, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { Background, Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { concat, defer, of, type Observable } from 'rxjs';
import { WebSocket } from 'ws';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { startApp, type RunningApp } from '../support/running-app.js';
import { Gate, turns } from '../support/time.js';

@Injectable()
class Ledger {
  readonly entries: string[] = [];
  readonly begun = new Gate();
  readonly end = new Gate();

  readonly write = (entry: string): void => void this.entries.push(entry);

  @Background()
  async record(entry: string): Promise<void> {
    this.entries.push(entry);
  }
}

@WebSocketGateway()
class PaymentsGateway {
  constructor(private readonly ledger: Ledger) {}

  @SubscribeMessage('pay')
  async pay(@MessageBody() name: string, @Tasks() tasks: BackgroundTasks): Promise<object> {
    tasks.addTask({ name: `paid ${name}` }, this.ledger.write, `paid ${name}`);
    tasks.addTask({ name: `refund ${name}`, when: 'failure' }, this.ledger.write, `refund ${name}`);
    this.ledger.begun.open();
    await this.ledger.end.opened;
    if (name === 'bad') {
      throw new WsException('no funds');
    }
    return { event: 'paid', data: name };
  }

  @SubscribeMessage('record')
  async record(@MessageBody() name: string): Promise<object> {
    await this.ledger.record(name);
    this.ledger.begun.open();
    await this.ledger.end.opened;
    return { event: 'recorded', data: name };
  }

  @SubscribeMessage('count')
  count(@Tasks() tasks: BackgroundTasks): Observable<object> {
    tasks.addTask(this.ledger.write, 'counted');
    return concat(
      of({ event: 'count', data: 1 }),
      defer(async () => {
        this.ledger.begun.open();
        await this.ledger.end.opened;
        return { event: 'count', data: 2 };
      }),
    );
  }
}

let client: WebSocket | undefined;

afterEach(() => {
  client?.terminate();
});

async function startGateway(
  platform: Platform,
): Promise<{ app: RunningApp; ledger: Ledger; socket: WebSocket }> {
  const app = await startApp(platform, {
    providers: [Ledger, PaymentsGateway],
    configure: (nest) => void nest.useWebSocketAdapter(new WsAdapter(nest)),
  });
  const socket = new WebSocket(`ws://127.0.0.1:${app.port}`);
  client = socket;
  await once(socket, 'open');
  return { app, ledger: app.nest.get(Ledger), socket };
}

function ask(socket: WebSocket, event: string, data: string): void {
  socket.send(JSON.stringify({ event, data }));
}

async function answer(socket: WebSocket): Promise<unknown> {
  const [message] = (await once(socket, 'message')) as [Buffer];
  return JSON.parse(message.toString());
}

onEachPlatform((platform) => {
  it.each([
    { message: 'pay', event: 'paid', entry: 'paid good' },
    { message: 'record', event: 'recorded', entry: 'good' },
  ])(
    'P6: the tasks of a gateway wait for the completion of its handler ($message)',
    async ({ message, event, entry }) => {
      const { app, ledger, socket } = await startGateway(platform);

      ask(socket, message, 'good');
      await ledger.begun.opened;
      await turns(3);
      expect(app.names('added')).not.toEqual([]);
      expect(app.names('queued')).toEqual([]);
      const reply = answer(socket);
      ledger.end.open();
      expect(await reply).toEqual({ event, data: 'good' });
      await app.runner.whenIdle();

      expect(ledger.entries).toEqual([entry]);
    },
  );

  it('P6: a failed handler of a gateway drops its tasks, and those for a failure run', async () => {
    const { app, ledger, socket } = await startGateway(platform);

    ledger.end.open();
    ask(socket, 'pay', 'bad'); // from Nest 12 on the client is told of the exception
    await app.untilSettled(2);

    expect(ledger.entries).toEqual(['refund bad']);
    expect(app.names('dropped')).toEqual(['paid bad']);
  });

  it('P6: the tasks of a handler that answers with a stream wait for its last value', async () => {
    const { app, ledger, socket } = await startGateway(platform);

    ask(socket, 'count', '');
    expect(await answer(socket)).toEqual({ event: 'count', data: 1 });
    await ledger.begun.opened;
    await turns(3);
    expect(app.names('queued')).toEqual([]);
    const reply = answer(socket);
    ledger.end.open();
    expect(await reply).toEqual({ event: 'count', data: 2 });
    await app.untilSettled(1);

    expect(ledger.entries).toEqual(['counted']);
  });

  it('P4: a client of a gateway that leaves changes nothing', async () => {
    const { app, ledger, socket } = await startGateway(platform);

    ask(socket, 'pay', 'good');
    await ledger.begun.opened;
    socket.terminate();
    await once(socket, 'close');
    ledger.end.open();
    await app.untilSettled(2);

    expect(ledger.entries).toEqual(['paid good']);
  });
});
