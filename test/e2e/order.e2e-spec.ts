import { expect, it } from '@jest/globals';
import { Controller, Post } from '@nestjs/common';
import {
  Tasks,
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
