import { once } from 'node:events';
import { Readable } from 'node:stream';
import { expect, it } from '@jest/globals';
import { Controller, Get, Sse, StreamableFile, UseGuards, type CanActivate } from '@nestjs/common';
import {
  Background,
  Tasks,
  type BackgroundTasks,
  type TaskHandle,
  type When,
} from 'nestjs-background-tasks';
import { NEVER, concat, of, type Observable } from 'rxjs';
import { RawConnection, open } from './support/client.js';
import { onEachPlatform, type Platform } from './support/platforms.js';
import { startApp, type RunningApp } from './support/running-app.js';
import { Gate } from './support/time.js';

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
