import { describe, expect, it } from '@jest/globals';
import { RawConnection } from '../support/client.js';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { routes } from '../support/routes.js';
import { startApp, type RunningApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';

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
    'P1: each of 100 parallel requests closes before its %s task starts',
    async (route) => {
      const { app } = await startConnections(platform);
      const paths = Array.from({ length: 100 }, (_, number) => `/${route}/${number}`);
      await Promise.all(paths.map((path) => app.request(path)));
      await app.untilSettled(paths.length);
      expect(app.names('completed').toSorted()).toEqual(paths.toSorted());
      await haveStartedEachAfterItsOwn(app);
    },
  );

  describe('on one connection', () => {
    it('P1: tasks of each request start after its own answer, sent one after the other or pipelined', async () => {
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

    it('P1: the tasks of a pipelined response wait until that has had its turn', async () => {
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

    it('P4: the task of a pipelined response runs where the connection breaks before its turn', async () => {
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
