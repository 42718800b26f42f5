import type { ServerResponse } from 'node:http';
import { expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Post, Res } from '@nestjs/common';
import {
  Background,
  BackgroundTasks,
  type RequestOptions,
  type TaskHandle,
  Tasks,
} from 'nestjs-background-tasks';
import { type Platform, onEachPlatform } from './support/platforms.js';
import { type RunningApp, startApp } from './support/running-app.js';
import { Gate } from './support/time.js';

/** An application whose `POST /` adds what the test wants added. */
async function startWith(
  platform: Platform,
  request: RequestOptions,
  add: (tasks: BackgroundTasks) => void,
): Promise<RunningApp> {
  @Controller()
  class OrderController {
    @Post()
    post(@Tasks() tasks: BackgroundTasks): void {
      add(tasks);
    }
  }
  return startApp(platform, { controllers: [OrderController], options: { request } });
}

onEachPlatform((platform) => {
  it('P2: runs the tasks of a request one after the other, in the order added', async () => {
    const seen: string[] = [];
    const step = async (name: string): Promise<void> => {
      seen.push(`${name} begins`);
      await new Promise(setImmediate);
      seen.push(`${name} ends`);
    };
    const app = await startWith(platform, {}, (tasks) => {
      tasks.addTask(step, 'one');
      tasks.addTask(() => void seen.push('two, at once'));
      tasks.addTask(step, 'three');
    });

    await app.request('/', { method: 'POST' });
    await app.untilSettled(3);
    expect(seen).toEqual(['one begins', 'one ends', 'two, at once', 'three begins', 'three ends']);
  });

  it("P2: order: 'concurrent' starts the tasks of a request together", async () => {
    const gates = [new Gate(), new Gate(), new Gate()];
    const seen = new Set<number>();
    const app = await startWith(platform, { order: 'concurrent' }, (tasks) => {
      gates.forEach((_, number) =>
        // Each one is let go by the one after it: in a row they would wait for ever.
        tasks.addTask(async () => {
          gates[number - 1]?.open();
          await (number === gates.length - 1 ? undefined : gates[number]?.opened);
          seen.add(number);
        }),
      );
    });

    await app.request('/', { method: 'POST' });
    const outcomes = await app.untilSettled(3);
    expect(outcomes.map(({ type }) => type)).toEqual(['completed', 'completed', 'completed']);
    expect(seen).toEqual(new Set([0, 1, 2]));
  });

  it("P2: onFailure: 'stop' drops the tasks after a failed one, and says so", async () => {
    const handles: TaskHandle[] = [];
    const app = await startWith(platform, { onFailure: 'stop' }, (tasks) => {
      handles.push(
        tasks.addTask({ name: 'first' }, () => undefined),
        tasks.addTask({ name: 'throws' }, () => {
          throw new Error('broken');
        }),
        tasks.addTask({ name: 'third' }, () => undefined),
        tasks.addTask({ name: 'fourth' }, () => undefined),
      );
    });

    await app.request('/', { method: 'POST' });
    const outcomes = await Promise.all(handles.map((handle) => handle.whenSettled()));
    expect(outcomes).toMatchObject([
      { status: 'completed' },
      { status: 'failed' },
      { status: 'dropped', reason: 'predecessor-failed' },
      { status: 'dropped', reason: 'predecessor-failed' },
    ]);
    expect(app.names('started')).toEqual(['first', 'throws']);
    expect(app.names('dropped')).toEqual(['third', 'fourth']);
    expect(app.log.ofTasks('warn').map(({ message }) => message)).toEqual([
      expect.stringMatching(/third .*dropped/),
      expect.stringMatching(/fourth .*dropped/),
    ]);
  });
});

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
