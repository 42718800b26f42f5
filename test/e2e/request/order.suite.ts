import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable } from '@nestjs/common';
import { Background, BackgroundTasks, type TaskHandle } from 'nestjs-background-tasks';
import { Deferred } from '../../support/deferred.js';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { rawOf, routes, touching } from '../support/routes.js';
import { startApp, type RunningApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';

interface Late {
  readonly app: RunningApp;
  /** Lets the promise that no handler awaits go on. */
  readonly go: Gate;
  /** What was added late, once it was. */
  readonly added: Promise<TaskHandle>;
}

function late(): void {}

async function startLate(platform: Platform): Promise<Late> {
  const go = new Gate();
  const added = new Deferred<TaskHandle>();
  const addLate = (tasks: BackgroundTasks): void =>
    void go.opened.then(() => added.resolve(tasks.addTask(late)));
  const addOuter = (tasks: BackgroundTasks): void =>
    void tasks.addTask({ name: 'outer' }, () => added.resolve(tasks.addTask(late)));

  @Injectable()
  class Mailer {
    @Background()
    async sendWelcome(): Promise<void> {}
  }

  @Controller('injected')
  class InjectedController {
    constructor(
      private readonly tasks: BackgroundTasks,
      private readonly mailer: Mailer,
    ) {}

    @Get('unawaited')
    unawaited(): void {
      addLate(this.tasks);
    }

    @Get('throws')
    throws(): void {
      addLate(this.tasks);
      throw new Error('broken');
    }

    @Get('task')
    task(): void {
      addOuter(this.tasks);
    }

    @Get('background')
    background(): void {
      void go.opened.then(() => this.mailer.sendWelcome());
    }
  }

  const ArgumentController = routes({
    'GET /argument/unawaited': addLate,
    'GET /argument/throws': (tasks) => {
      addLate(tasks);
      throw new Error('broken');
    },
    'GET /argument/task': addOuter,
  });
  const app = await startApp(platform, {
    controllers: [InjectedController, ArgumentController],
    providers: [Mailer],
  });
  return { app, go, added: added.promise };
}

onEachPlatform((platform) => {
  // One after the other: the conformance suites, on every engine.
  it("P2: order: 'concurrent' starts the tasks of a request together", async () => {
    const gates = [new Gate(), new Gate(), new Gate()];
    const add = (tasks: BackgroundTasks): void =>
      gates.forEach((_, number) =>
        // Each one is let go by the one after it: in a row they would wait for ever.
        tasks.addTask({ name: `${number}` }, async () => {
          gates[number - 1]?.open();
          await (number === gates.length - 1 ? undefined : gates[number]?.opened);
        }),
      );
    const app = await startApp(platform, {
      controllers: [routes({ 'POST /': add })],
      options: { request: { order: 'concurrent' } },
    });
    await app.request('/', { method: 'POST' });
    await app.untilSettled(3);
    expect(app.names('completed').toSorted()).toEqual(['0', '1', '2']);
  });

  describe.each(['/injected', '/argument'])('%s', (controller) => {
    it.each([
      ['/unawaited', { status: 'completed' }],
      ['/throws', { status: 'dropped', reason: 'request-failed' }],
    ])(
      'P5: what is added after the response has closed goes by it, and is queued at once (%s)',
      async (path, outcome) => {
        const { app, go, added } = await startLate(platform);
        await app.request(`${controller}${path}`);
        await app.untilClosed(`${controller}${path}`);
        // Released, settled and gone: the request has nothing left to attach a task to.
        await app.request('/elsewhere');
        go.open();
        const handle = await added;
        expect(handle.status).toBe(outcome.status === 'completed' ? 'queued' : 'dropped');
        expect(await handle.whenSettled()).toMatchObject(outcome);
      },
    );

    it('P5: a task that a running task adds is queued at once', async () => {
      const { app, added } = await startLate(platform);
      await app.request(`${controller}/task`);
      expect((await added).status).not.toBe('collected');
      await app.untilSettled(2);
      expect(app.names('completed')).toEqual(['outer', 'late']);
    });
  });

  it('P5: a task added to a chain as the response finishes runs behind it, and loses nothing', async () => {
    const ran: string[] = [];
    const controller = routes({
      'GET /': touching((tasks, response) => {
        const chain = tasks.chain();
        chain.addTask(() => ran.push('of the chain'));
        tasks.addTask(() => ran.push('behind'));
        rawOf(response).once('finish', () => {
          chain.addTask(() => ran.push('late'));
        });
      }),
    });
    const app = await startApp(platform, { controllers: [controller] });
    await app.request('/');
    await app.untilSettled(3);
    expect(ran).toEqual(['of the chain', 'late', 'behind']);
  });

  it('P5: a @Background() method called after the response closed is queued at once', async () => {
    const { app, go } = await startLate(platform);
    await app.request('/injected/background');
    await app.untilClosed('/injected/background');
    go.open();
    expect(await app.untilSettled(1)).toMatchObject([
      { name: 'Mailer.sendWelcome', type: 'completed' },
    ]);
  });
});
