import { once } from 'node:events';
import { Agent } from 'node:http';
import { Readable } from 'node:stream';
import { expect, it } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  Get,
  Param,
  Sse,
  StreamableFile,
  UseGuards,
} from '@nestjs/common';
import { NEVER, type Observable, concat, of } from 'rxjs';
import {
  Background,
  type BackgroundTasks,
  type TaskHandle,
  Tasks,
  type When,
} from 'nestjs-background-tasks';
import { RawConnection, open } from './support/client.js';
import { type Platform, onEachPlatform } from './support/platforms.js';
import { type RunningApp, startApp } from './support/running-app.js';
import { Gate, now } from './support/time.js';

const WHENS: readonly When[] = ['success', 'failure', 'always'];

interface Leaving {
  readonly app: RunningApp;
  /** Open as soon as a handler is at work. */
  readonly begun: Gate;
  /** Lets a handler end. */
  readonly end: Gate;
  readonly handles: Map<When, TaskHandle>;
}

async function startLeaving(platform: Platform): Promise<Leaving> {
  const begun = new Gate();
  const end = new Gate();
  const handles = new Map<When, TaskHandle>();

  function add(tasks: BackgroundTasks): void {
    WHENS.forEach((when) =>
      handles.set(
        when,
        tasks.addTask({ when, name: when }, () => undefined),
      ),
    );
    begun.open();
  }

  class Slow implements CanActivate {
    @Background({ when: 'always' })
    record(): void {}

    async canActivate(): Promise<boolean> {
      this.record();
      begun.open();
      await end.opened;
      return false;
    }
  }

  @Controller()
  class LeavingController {
    @Get('completes')
    async completes(@Tasks() tasks: BackgroundTasks): Promise<string> {
      add(tasks);
      await end.opened;
      return 'nobody reads this';
    }

    @Get('throws')
    async throws(@Tasks() tasks: BackgroundTasks): Promise<void> {
      add(tasks);
      await end.opened;
      throw new Error('nobody hears of this');
    }

    @Get('endless')
    endless(@Tasks() tasks: BackgroundTasks): StreamableFile {
      add(tasks);
      const chunk = Buffer.alloc(64 * 1024);
      return new StreamableFile(
        new Readable({
          read(): void {
            this.push(chunk);
          },
        }),
      );
    }

    @Get('observable')
    observable(@Tasks() tasks: BackgroundTasks): Observable<never> {
      add(tasks);
      return NEVER;
    }

    @Sse('events')
    events(@Tasks() tasks: BackgroundTasks): Observable<{ data: string }> {
      add(tasks);
      return concat(of({ data: 'the first' }), NEVER);
    }

    @Get('guarded')
    @UseGuards(Slow)
    guarded(): void {}
  }

  const app = await startApp(platform, { controllers: [LeavingController], providers: [Slow] });
  return { app, begun, end, handles };
}

async function outcomes({ handles }: Leaving): Promise<unknown> {
  return Promise.all(WHENS.map(async (when) => handles.get(when)?.whenSettled()));
}

const AFTER_SUCCESS = [
  { status: 'completed' },
  { status: 'dropped', reason: 'handler-completed' },
  { status: 'completed' },
];
const AFTER_FAILURE = [
  { status: 'dropped', reason: 'handler-failed' },
  { status: 'completed' },
  { status: 'completed' },
];

onEachPlatform((platform) => {
  it.each([
    { path: '/completes', expected: AFTER_SUCCESS },
    { path: '/throws', expected: AFTER_FAILURE },
  ])(
    "P4: a client that leaves before the handler's end: it is that end which counts ($path)",
    async ({ path, expected }) => {
      const leaving = await startLeaving(platform);
      const { app, begun, end } = leaving;

      const connection = await RawConnection.open(app.port);
      connection.get(path);
      await begun.opened;
      connection.destroy();
      await app.untilClosed(path);
      // Longer than any release takes: the whole life of another request.
      await app.request('/elsewhere');
      // The handler is still at work, so nothing is decided.
      expect([...leaving.handles.values()].map(({ status }) => status)).toEqual([
        'collected',
        'collected',
        'collected',
      ]);

      end.open();
      expect(await outcomes(leaving)).toMatchObject(expected);
      expect(app.names('cancelled')).toEqual([]);
    },
  );

  it('P4: a client that leaves in the middle of the body: what was committed runs', async () => {
    const leaving = await startLeaving(platform);

    const response = await open(leaving.app.port, '/endless');
    await once(response, 'data');
    expect(leaving.app.names('started')).toEqual([]);
    response.destroy();

    expect(await outcomes(leaving)).toMatchObject(AFTER_SUCCESS);
  });

  it('P4: a client that leaves a stream of events: what was added runs', async () => {
    const leaving = await startLeaving(platform);

    const response = await open(leaving.app.port, '/events');
    const [chunk] = (await once(response.setEncoding('utf8'), 'data')) as [string];
    expect(chunk).toBeDefined();
    expect(leaving.app.names('started')).toEqual([]);
    response.destroy();

    expect(await outcomes(leaving)).toMatchObject(AFTER_SUCCESS);
  });

  it('P4: a handler whose Observable is torn down because the client left has not completed', async () => {
    const leaving = await startLeaving(platform);

    const connection = await RawConnection.open(leaving.app.port);
    connection.get('/observable');
    await leaving.begun.opened;
    connection.destroy();

    expect(await outcomes(leaving)).toMatchObject(AFTER_FAILURE);
  });

  it('P4: a client that leaves while a guard is at work: what always runs does', async () => {
    const { app, begun, end } = await startLeaving(platform);

    const connection = await RawConnection.open(app.port);
    connection.get('/guarded');
    await begun.opened;
    connection.destroy();
    await app.untilClosed('/guarded');
    await app.request('/elsewhere');
    end.open();

    expect(await app.untilSettled(1)).toMatchObject([{ name: 'Slow.record', type: 'completed' }]);
  });
});

interface Connections {
  readonly app: RunningApp;
  /** When each task started, by its name. */
  readonly startedAt: Map<string, number>;
  readonly handles: Map<string, TaskHandle>;
  /** Lets `/slow` answer. */
  readonly slow: Gate;
}

async function startConnections(platform: Platform): Promise<Connections> {
  const startedAt = new Map<string, number>();
  const handles = new Map<string, TaskHandle>();
  const slow = new Gate();

  @Controller()
  class ConnectionsController {
    @Get('slow')
    async slow(@Tasks() tasks: BackgroundTasks): Promise<string> {
      this.add('slow', tasks);
      await slow.opened;
      return 'the slow answer';
    }

    @Get('quick/:name')
    quick(@Param('name') name: string, @Tasks() tasks: BackgroundTasks): string {
      this.add(name, tasks);
      return `the answer to ${name}.`;
    }

    @Get('lasting/:name')
    lasting(@Param('name') name: string, @Tasks() tasks: BackgroundTasks): string {
      // Its slot is free again before the event loop has come to what clients have yet to read.
      tasks.addTask({ name }, async () => {
        startedAt.set(name, now());
        await new Promise((resolve) => setTimeout(resolve, 1));
      });
      return name;
    }

    private add(name: string, tasks: BackgroundTasks): void {
      handles.set(
        name,
        tasks.addTask({ name }, () => void startedAt.set(name, now())),
      );
    }
  }

  const app = await startApp(platform, { controllers: [ConnectionsController] });
  return { app, startedAt, handles, slow };
}

onEachPlatform((platform) => {
  it.each(['quick', 'lasting'])(
    'P1: of 200 parallel requests none has its %s task started before it closed',
    async (route) => {
      const { app, startedAt } = await startConnections(platform);

      const names = Array.from({ length: 200 }, (_, number) => `task-${number}`);
      const replies = await Promise.all(names.map((name) => app.request(`/${route}/${name}`)));
      await app.untilSettled(names.length);

      expect(replies.filter(({ status }) => status === 200)).toHaveLength(200);
      const closedAt = await Promise.all(names.map((name) => app.untilClosed(`/${route}/${name}`)));
      const beforeClose = names.filter(
        (name, number) => (startedAt.get(name) ?? 0) <= (closedAt[number] ?? Infinity),
      );
      expect(beforeClose).toHaveLength(0);
    },
  );

  it('P1: holds for each of several requests on one connection that is kept alive', async () => {
    const { app, startedAt } = await startConnections(platform);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });

    const sockets = new Set<unknown>();
    agent.on('free', (socket) => sockets.add(socket));
    for (const name of ['one', 'two', 'three', 'four']) {
      const { body } = await app.request(`/quick/${name}`, { agent });
      await app.untilSettled(startedAt.size + 1);
      expect(body).toBe(`the answer to ${name}.`);
      expect(startedAt.get(name)).toBeGreaterThan(await app.untilClosed(`/quick/${name}`));
    }
    expect(sockets.size).toBe(1);
    expect([...startedAt.keys()]).toEqual(['one', 'two', 'three', 'four']);
    agent.destroy();
  });

  it('P1: starts the tasks of pipelined requests, each after its own response', async () => {
    const { app, startedAt } = await startConnections(platform);

    const connection = await RawConnection.open(app.port);
    connection.get('/quick/first', '/quick/second');
    await connection.untilReceived('the answer to first.');
    await connection.untilReceived('the answer to second.');
    await app.untilSettled(2);

    expect([...startedAt.keys()]).toEqual(['first', 'second']);
    for (const name of ['first', 'second']) {
      expect(startedAt.get(name)).toBeGreaterThan(await app.untilClosed(`/quick/${name}`));
    }
    connection.destroy();
  });

  it('O2, P12: a client that does not read has 100 tasks waiting, and is refused the next', async () => {
    const { app, handles, slow } = await startConnections(platform);

    const connection = await RawConnection.open(app.port);
    const names = Array.from({ length: 150 }, (_, number) => `behind-${number}`);
    connection.get('/slow', ...names.map((name) => `/quick/${name}`));
    await app.untilSeen('added', 'slow', 'behind-98');
    // Served from its first to its last step while they wait.
    await app.request('/quick/elsewhere');
    await app.untilSettled(1);
    expect(app.names('added')).toHaveLength(101);

    slow.open();
    await connection.untilReceived('the answer to behind-98.');
    await connection.untilReceived(' 503 ');
    await app.untilSettled(101);
    expect(handles.size).toBe(101);
    expect(app.names('completed')).toHaveLength(101);
    // Nest prints no stack for each, and one line of ours tells of them.
    const said = app.log.lines.filter(({ level }) => level === 'error' || level === 'warn');
    expect(said.filter(({ message }) => !message.startsWith('Nobody listens'))).toMatchObject([
      { level: 'warn', message: expect.stringMatching(/^Refused a request: UnreadAnswersError: /) },
    ]);
    connection.destroy();
  });

  it('P1: a pipelined response that waits for its turn keeps its tasks waiting', async () => {
    const { app, startedAt, slow } = await startConnections(platform);

    const connection = await RawConnection.open(app.port);
    connection.get('/slow', '/quick/behind');
    await app.untilSeen('added', 'slow', 'behind');
    // Served from its first to its last step while the two wait.
    await app.request('/quick/elsewhere');
    await app.untilSettled(1);
    expect(app.names('started')).toEqual(['elsewhere']);

    slow.open();
    await connection.untilReceived('the answer to behind.');
    await app.untilSettled(3);
    expect(app.names('started')).toEqual(['elsewhere', 'slow', 'behind']);
    expect(startedAt.get('behind')).toBeGreaterThan(await app.untilClosed('/quick/behind'));
    connection.destroy();
  });

  it('P4: a pipelined response whose connection breaks before its turn: its task runs', async () => {
    const { app, handles, slow } = await startConnections(platform);

    const connection = await RawConnection.open(app.port);
    connection.get('/slow', '/quick/behind');
    await app.untilSeen('added', 'slow', 'behind');
    await app.request('/quick/elsewhere');
    await app.untilSettled(1);
    expect(app.names('started')).toEqual(['elsewhere']);

    connection.destroy();
    // The handler in front is still at work: nobody waits for it.
    expect(await handles.get('behind')?.whenSettled()).toMatchObject({ status: 'completed' });
    expect(handles.get('slow')?.status).toBe('collected');

    slow.open();
    expect(await handles.get('slow')?.whenSettled()).toMatchObject({ status: 'completed' });
    expect(app.names('started')).toEqual(['elsewhere', 'behind', 'slow']);
  });
});
