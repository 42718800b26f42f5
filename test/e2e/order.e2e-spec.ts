import { expect, it } from '@jest/globals';
import { Controller, Post } from '@nestjs/common';
import {
  Tasks,
  currentTask,
  type BackgroundTasks,
  type RequestOptions,
  type TaskHandle,
} from 'nestjs-background-tasks';
import { onEachPlatform, type Platform } from './support/platforms.js';
import { startApp, type RunningApp } from './support/running-app.js';
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

  it('P2: one request does not wait for the tasks of another', async () => {
    const gate = new Gate();
    const handles: TaskHandle[] = [];
    const app = await startWith(platform, {}, (tasks) => {
      const body = handles.length === 0 ? () => gate.opened : () => undefined;
      handles.push(tasks.addTask(body));
    });

    await app.request('/', { method: 'POST' });
    await app.request('/', { method: 'POST' });
    expect(await handles[1]?.whenSettled()).toMatchObject({ status: 'completed' });
    expect(handles[0]?.status).toBe('running');
    gate.open();
    expect(await handles[0]?.whenSettled()).toMatchObject({ status: 'completed' });
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

  it('P2: a failed task does not stop the ones after it', async () => {
    const app = await startWith(platform, {}, (tasks) => {
      tasks.addTask({ name: 'first' }, () => undefined);
      tasks.addTask({ name: 'throws' }, () => {
        throw new Error('broken');
      });
      tasks.addTask({ name: 'rejects' }, () => Promise.reject(new Error('broken')));
      tasks.addTask({ name: 'last' }, () => undefined);
    });

    await app.request('/', { method: 'POST' });
    const outcomes = await app.untilSettled(4);
    expect(outcomes.map(({ name, type }) => [name, type])).toEqual([
      ['first', 'completed'],
      ['throws', 'failed'],
      ['rejects', 'failed'],
      ['last', 'completed'],
    ]);
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

  it("P2: onFailure: 'stop' does not touch the tasks of other requests", async () => {
    let requests = 0;
    const app = await startWith(platform, { onFailure: 'stop' }, (tasks) => {
      const number = ++requests;
      tasks.addTask({ name: `first of ${number}` }, () => {
        if (number === 1) {
          throw new Error('broken');
        }
      });
      tasks.addTask({ name: `second of ${number}` }, () => undefined);
    });

    await app.request('/', { method: 'POST' });
    await app.request('/', { method: 'POST' });
    await app.untilSettled(4);
    expect(app.names('dropped')).toEqual(['second of 1']);
    expect(app.names('completed')).toEqual(['first of 2', 'second of 2']);
  });

  it.each(['continue', 'stop'] as const)(
    'P2: a task that is tried again keeps its place, with onFailure: %s',
    async (onFailure) => {
      const seen: string[] = [];
      const app = await startWith(platform, { onFailure }, (tasks) => {
        tasks.addTask({ retry: { attempts: 3, delay: 1, jitter: 'none' } }, () => {
          seen.push(`first, attempt ${currentTask().attempt}`);
          if (currentTask().attempt < 3) {
            throw new Error('not yet');
          }
        });
        tasks.addTask(() => void seen.push('second'));
      });

      await app.request('/', { method: 'POST' });
      const outcomes = await app.untilSettled(2);
      expect(seen).toEqual(['first, attempt 1', 'first, attempt 2', 'first, attempt 3', 'second']);
      expect(outcomes.map(({ type }) => type)).toEqual(['completed', 'completed']);
    },
  );

  it('P2: a delayed task does not hold up the ones after it', async () => {
    const app = await startWith(platform, {}, (tasks) => {
      tasks.addTask({ name: 'first' }, () => undefined);
      tasks.addTask({ name: 'delayed', delay: '40ms' }, () => undefined);
      tasks.addTask({ name: 'third' }, () => undefined);
      tasks.addTask({ name: 'fourth' }, () => undefined);
    });

    await app.request('/', { method: 'POST' });
    const outcomes = await app.untilSettled(4);
    expect(outcomes.map(({ name }) => name)).toEqual(['first', 'third', 'fourth', 'delayed']);
    const released = app.history.find(({ name, type }) => name === 'delayed' && type === 'queued');
    const started = app.history.find(({ name, type }) => name === 'delayed' && type === 'started');
    // Its time runs from its release, which is told a moment later.
    expect((started?.at ?? 0) - (released?.at ?? 0)).toBeGreaterThan(38);
  });

  it('P2: a cancelled task lets the ones after it go on', async () => {
    const app = await startWith(platform, {}, (tasks) => {
      tasks.addTask({ name: 'first' }, () => undefined);
      const second = tasks.addTask({ name: 'second' }, () => undefined);
      tasks.addTask({ name: 'third' }, () => undefined);
      void second.cancel();
    });

    await app.request('/', { method: 'POST' });
    await app.untilSettled(3);
    expect(app.names('cancelled')).toEqual(['second']);
    expect(app.names('completed')).toEqual(['first', 'third']);
  });
});
