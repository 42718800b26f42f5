import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { StreamableFile, UseGuards, type CanActivate } from '@nestjs/common';
import { Background } from 'nestjs-background-tasks';
import { NEVER, concat, of } from 'rxjs';
import { RawConnection } from '../support/client.js';
import { NEST_MAJOR } from '../support/nest-major.js';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { routes, type Route } from '../support/routes.js';
import { startApp, type RunningApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';
import { addEach, FAILURE, SUCCESS, WHENS } from '../support/whens.js';

interface Leaving {
  readonly app: RunningApp;
  /** Open as soon as a handler is at work. */
  readonly begun: Gate;
  /** Lets a handler end. */
  readonly end: Gate;
}

async function startLeaving(platform: Platform): Promise<Leaving> {
  const [begun, end] = [new Gate(), new Gate()];

  class Slow implements CanActivate {
    @Background({ when: 'always', name: 'always' })
    record(): void {}

    async canActivate(): Promise<boolean> {
      this.record();
      begun.open();
      await end.opened;
      return false;
    }
  }
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const acts: Record<string, Route> = {
    'GET /throws': async () => {
      await end.opened;
      throw new Error('nobody hears of this');
    },
    'GET /endless': () => new StreamableFile(Readable.from(chunks(), { objectMode: false })),
    'GET /generator': () => chunks(),
    'GET /observable': () => NEVER,
    'SSE /events': () => concat(of({ data: 'xxx' }), NEVER),
  };
  async function* chunks(): AsyncGenerator<Buffer> {
    for (;;) {
      yield chunk;
    }
  }
  const adding = Object.entries(acts).map(([asked, act]): [string, Route] => [
    asked,
    (tasks, request) => {
      addEach(tasks);
      begun.open();
      return (act as (...args: unknown[]) => unknown)(tasks, request);
    },
  ]);
  const controller = routes({
    ...Object.fromEntries(adding),
    'GET /guarded': [() => undefined, UseGuards(Slow)],
  });
  const app = await startApp(platform, { controllers: [controller], providers: [Slow] });
  return { app, begun, end };
}

onEachPlatform((platform) => {
  // What a handler's end decides that completes or never answers: kinds.e2e-spec.ts.
  it.each([
    ['a handler that throws', '/throws', FAILURE],
    ['a guard', '/guarded', ['always']],
  ])('P4: a client that leaves while %s is at work: its end counts', async (_, path, expected) => {
    const { app, begun, end } = await startLeaving(platform);
    const connection = await RawConnection.open(app.port);
    connection.get(path);
    await begun.opened;
    connection.destroy();
    await app.untilClosed(path);
    // Longer than any release takes: the whole life of another request.
    await app.request('/elsewhere');
    expect(app.settled).toEqual([]);
    end.open();
    await app.untilAllSettled();
    expect(app.names('completed')).toEqual(expected);
    expect(app.names('cancelled')).toEqual([]);
  });

  const paths = ['/endless', '/events', ...(NEST_MAJOR < 12 ? [] : ['/generator'])];
  it.each(paths)(
    'P4: a client that leaves in the middle of %s: what was added runs',
    async (path) => {
      const { app } = await startLeaving(platform);
      const connection = await RawConnection.open(app.port);
      connection.get(path);
      await connection.untilReceived('xxx');
      expect(app.names('started')).toEqual([]);
      connection.destroy();
      await app.untilSettled(WHENS.length);
      expect(app.names('completed')).toEqual(SUCCESS);
    },
  );

  it('P4: a handler whose Observable is torn down because the client left has not completed', async () => {
    const { app, begun } = await startLeaving(platform);
    const connection = await RawConnection.open(app.port);
    connection.get('/observable');
    await begun.opened;
    connection.destroy();
    await app.untilSettled(WHENS.length);
    expect(app.names('completed')).toEqual(FAILURE);
  });
});

const lasting = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 1));

async function startConnections(platform: Platform): Promise<{ app: RunningApp; slow: Gate }> {
  const slow = new Gate();
  const controller = routes({
    'GET /slow': async (tasks) => {
      tasks.addTask({ name: '/slow' }, () => undefined);
      await slow.opened;
      return 'the slow answer';
    },
    'GET /quick/:name': (tasks, { params: { name } }) => {
      tasks.addTask({ name: `/quick/${name}` }, () => undefined);
      return `the answer to ${name}.`;
    },
    // Its slot is free again before the event loop has come to what clients have yet to read.
    'GET /lasting/:name': (tasks, { params: { name } }) => {
      tasks.addTask({ name: `/lasting/${name}` }, lasting);
    },
  });
  return { app: await startApp(platform, { controllers: [controller] }), slow };
}

async function startOne(platform: Platform, ...paths: string[]) {
  const { app, slow } = await startConnections(platform);
  const connection = await RawConnection.open(app.port);
  connection.get(...paths);
  return { app, slow, connection };
}

/** From its first step to its last, while others wait. */
async function untilAnotherIsOver(app: RunningApp): Promise<void> {
  await app.request('/quick/elsewhere');
  await app.untilSettled(1);
  expect(app.names('started')).toEqual(['/quick/elsewhere']);
}

/** Tasks have the names of their requests' paths. */
async function haveStartedEachAfterItsOwn(app: RunningApp): Promise<void> {
  const starts = app.events.filter(({ type }) => type === 'started');
  const closes = await Promise.all(starts.map(({ name }) => app.untilClosed(name)));
  expect(starts.filter(({ at }, index) => at < (closes[index] ?? Infinity))).toEqual([]);
}

onEachPlatform((platform) => {
  it.each(['quick', 'lasting'])(
    'P1: of 200 parallel requests none has its %s task started before it closed',
    async (route) => {
      const { app } = await startConnections(platform);
      const paths = Array.from({ length: 200 }, (_, number) => `/${route}/${number}`);
      await Promise.all(paths.map((path) => app.request(path)));
      await app.untilSettled(paths.length);
      expect(app.names('completed').toSorted()).toEqual(paths.toSorted());
      await haveStartedEachAfterItsOwn(app);
    },
  );

  describe('on one connection', () => {
    it('P1: holds for each of several requests, one after the other or pipelined', async () => {
      const { app, connection } = await startOne(platform, '/quick/one');
      await connection.untilReceived('the answer to one.');
      connection.get('/quick/two', '/quick/three');
      await connection.untilReceived('the answer to three.');
      await app.untilSettled(3);
      expect(app.names('started')).toEqual(['/quick/one', '/quick/two', '/quick/three']);
      await haveStartedEachAfterItsOwn(app);
      connection.destroy();
    });

    it('O2, P12: a client that does not read has 100 tasks waiting, and is refused the next', async () => {
      const paths = Array.from({ length: 150 }, (_, number) => `/quick/behind-${number}`);
      const { app, slow, connection } = await startOne(platform, '/slow', ...paths);
      await app.untilSeen('added', '/slow', '/quick/behind-98');
      await untilAnotherIsOver(app);
      expect(app.names('added')).toHaveLength(101);
      slow.open();
      await connection.untilReceived('the answer to behind-98.');
      await connection.untilReceived(' 503 ');
      await app.untilSettled(101);
      expect(app.names('added')).toHaveLength(101);
      expect(app.names('completed')).toHaveLength(101);
      // Nest prints no stack for each, and one line of ours tells of them.
      const said = app.log.lines.filter(({ level }) => level === 'error' || level === 'warn');
      expect(said.filter(({ message }) => !message.startsWith('Nothing listens'))).toMatchObject([
        {
          level: 'warn',
          message: expect.stringMatching(/^Refused a request: UnreadAnswersError: /),
        },
      ]);
      connection.destroy();
    });

    it('P1: a pipelined response that waits for its turn keeps its tasks waiting', async () => {
      const { app, slow, connection } = await startOne(platform, '/slow', '/quick/behind');
      await app.untilSeen('added', '/slow', '/quick/behind');
      await untilAnotherIsOver(app);
      slow.open();
      await connection.untilReceived('the answer to behind.');
      await app.untilSettled(3);
      expect(app.names('started').slice(1)).toEqual(['/slow', '/quick/behind']);
      await haveStartedEachAfterItsOwn(app);
      connection.destroy();
    });

    it('P4: a pipelined response whose connection breaks before its turn: its task runs', async () => {
      const { app, slow, connection } = await startOne(platform, '/slow', '/quick/behind');
      await app.untilSeen('added', '/slow', '/quick/behind');
      await untilAnotherIsOver(app);
      connection.destroy();
      // The handler in front is still at work: nobody waits for it.
      await app.untilSettled(2);
      expect(app.names('completed').slice(1)).toEqual(['/quick/behind']);
      slow.open();
      await app.untilSettled(3);
      expect(app.names('completed').slice(2)).toEqual(['/slow']);
    });
  });
});
