import type { ServerResponse } from 'node:http';
import { expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Res } from '@nestjs/common';
import { Background, BackgroundTasks, Tasks, type TaskHandle } from 'nestjs-background-tasks';
import { onEachPlatform, type Platform } from './support/platforms.js';
import { startApp, type RunningApp } from './support/running-app.js';
import { Gate } from './support/time.js';

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
  let resolve!: (handle: TaskHandle) => void;
  const added = new Promise<TaskHandle>((resolver) => {
    resolve = resolver;
  });

  @Injectable()
  class Mailer {
    @Background()
    async sendWelcome(): Promise<void> {}
  }

  @Controller('injected')
  class InjectedController {
    constructor(private readonly tasks: BackgroundTasks) {}

    @Get('unawaited')
    unawaited(): void {
      void go.opened.then(() => resolve(this.tasks.addTask(late)));
    }

    @Get('throws')
    throws(): void {
      void go.opened.then(() => resolve(this.tasks.addTask(late)));
      throw new Error('broken');
    }

    @Get('task')
    task(): void {
      this.tasks.addTask({ name: 'outer' }, () => resolve(this.tasks.addTask(late)));
    }
  }

  @Controller('argument')
  class ArgumentController {
    @Get('unawaited')
    unawaited(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask({ name: 'in time' }, () => undefined);
      void go.opened.then(() => resolve(tasks.addTask(late)));
    }

    @Get('throws')
    throws(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask({ name: 'in time', when: 'always' }, () => undefined);
      void go.opened.then(() => resolve(tasks.addTask(late)));
      throw new Error('broken');
    }

    @Get('task')
    task(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask({ name: 'outer' }, () => resolve(tasks.addTask(late)));
    }
  }

  @Controller('background')
  class BackgroundController {
    constructor(private readonly mailer: Mailer) {}

    @Get('unawaited')
    unawaited(): void {
      void go.opened.then(() => this.mailer.sendWelcome());
    }

    @Get('task')
    task(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask({ name: 'outer' }, () => this.mailer.sendWelcome());
    }
  }

  const app = await startApp(platform, {
    controllers: [InjectedController, ArgumentController, BackgroundController],
    providers: [Mailer],
  });
  return { app, go, added };
}

onEachPlatform((platform) => {
  it.each(['/injected/unawaited', '/argument/unawaited'])(
    'P5: a task that an unawaited promise adds after the response closed is queued at once (%s)',
    async (path) => {
      const { app, go, added } = await startLate(platform);

      await app.request(path);
      await app.untilClosed(path);
      // Released, settled and gone: the request has nothing left to attach a task to.
      await app.request('/elsewhere');
      go.open();

      expect((await added).status).toBe('queued');
      expect(await (await added).whenSettled()).toMatchObject({ status: 'completed' });
    },
  );

  it.each(['/injected/throws', '/argument/throws'])(
    'P5: a late task of a request that failed goes by that, as an earlier one does (%s)',
    async (path) => {
      const { app, go, added } = await startLate(platform);

      await app.request(path);
      await app.untilClosed(path);
      await app.request('/elsewhere');
      go.open();

      expect(await (await added).whenSettled()).toEqual({
        status: 'dropped',
        reason: 'handler-failed',
      });
    },
  );

  it.each(['/injected/task', '/argument/task'])(
    'P5: a task that a running task adds is queued at once (%s)',
    async (path) => {
      const { app, added } = await startLate(platform);

      await app.request(path);

      expect((await added).status).not.toBe('collected');
      expect(await (await added).whenSettled()).toMatchObject({ status: 'completed' });
      expect(app.names('completed')).toEqual(['outer', 'late']);
    },
  );

  it('P5: a task added to a chain as the response finishes runs behind it, and loses nothing', async () => {
    const ran: string[] = [];

    @Controller()
    class ChainController {
      @Get()
      get(@Tasks() tasks: BackgroundTasks, @Res({ passthrough: true }) response: object): void {
        const { raw = response } = response as { raw?: object };
        const chain = tasks.chain();
        chain.addTask(() => ran.push('of the chain'));
        tasks.addTask(() => ran.push('behind'));
        (raw as ServerResponse).once('finish', () => {
          chain.addTask(() => ran.push('late'));
        });
      }
    }
    const app = await startApp(platform, { controllers: [ChainController] });

    await app.request('/');
    await app.untilSettled(3);

    expect(ran).toEqual(['of the chain', 'late', 'behind']);
  });

  it('P5: a @Background() method called after the response closed is queued at once', async () => {
    const { app, go } = await startLate(platform);

    await app.request('/background/unawaited');
    await app.untilClosed('/background/unawaited');
    go.open();

    expect(await app.untilSettled(1)).toMatchObject([
      { name: 'Mailer.sendWelcome', type: 'completed' },
    ]);
  });
});
