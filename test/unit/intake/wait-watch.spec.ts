import { describe, expect, it } from '@jest/globals';
import type { BackgroundTasksOptions, TaskHandle } from '../../../lib/index.js';
import { createKit } from '../support/kit.js';

/** A body that asks for the end of a task, and does not wait for it. */
const asking = (handle: () => TaskHandle) => (): void => void handle().whenSettled();

function kitOf(options: BackgroundTasksOptions = {}) {
  const kit = createKit(options);
  return {
    ...kit,
    told: () =>
      kit.logger
        .of('warn')
        .filter((line) => line.includes('docs/faq.md'))
        .map((line) => line.split(', which')[0]),
  };
}

describe('R12: a warning names a wait in a circle:', () => {
  it('a task that waits for itself', async () => {
    const { clock, runner, told } = kitOf();
    const handle: TaskHandle = runner.addTask(
      { name: 'a' },
      asking(() => handle),
    );
    await clock.settle();
    expect(told()).toEqual(['Task a waits for task a']);
  });

  it('a task that waits for all tasks', async () => {
    const { clock, runner, told } = kitOf();
    runner.addTask({ name: 'a' }, () => void runner.whenIdle());
    await clock.settle();
    expect(told()).toEqual(['Task a waits for all tasks, itself included']);
  });

  it('a task that waits for one behind it in its request or chain', async () => {
    const { clock, handle, runner, told } = kitOf();
    await handle((tasks) => {
      tasks.addTask(
        { name: 'a' },
        asking(() => last),
      );
      tasks.addTask({ name: 'b' }, () => undefined);
      const last = tasks.addTask({ name: 'c' }, () => undefined);
    });
    const chain = runner.chain();
    chain.addTask(
      { name: 'x' },
      asking(() => next),
    );
    const next = chain.addTask({ name: 'y' }, () => undefined);
    await clock.settle();
    expect(told()).toEqual(['Task a waits for task c', 'Task x waits for task y']);
  });

  it('three tasks that wait for each other', async () => {
    const { clock, runner, told } = kitOf();
    const names = ['a', 'b', 'c'];
    const handles: TaskHandle[] = names.map((name, index) =>
      runner.addTask({ name }, async () => {
        await clock.sleep(index + 1);
        void handles[(index + 1) % 3]?.whenSettled();
        await clock.sleep(100);
      }),
    );
    await clock.advance(1000);
    expect(told()).toEqual(['Task c waits for task a']);
  });

  it('a request that waits for a task which waits for its own', async () => {
    const { clock, handle, runner, told } = kitOf();
    await handle(async (tasks) => {
      const own = tasks.addTask({ name: 'own' }, () => undefined);
      const other = runner.addTask({ name: 'other' }, async () => {
        void own.whenSettled();
        await clock.sleep(10);
      });
      await clock.advance(1);
      void other.whenSettled();
      await clock.advance(100);
    });
    expect(told()).toEqual(['The handler of a message waits for task other']);
  });

  it('tasks that wait for tasks which need their slots', async () => {
    const { clock, runner, told } = kitOf({ queues: { narrow: { concurrency: 2 } } });
    const wait = async (name: string): Promise<void> => {
      await clock.sleep(1);
      const inner = runner.addTask({ name, queue: 'narrow' }, () => undefined);
      void inner.whenSettled();
      await clock.sleep(10);
    };
    runner.addTask({ name: 'a', queue: 'narrow' }, wait, 'of a');
    await clock.advance(5);
    expect(told()).toEqual([]);
    runner.addTask({ name: 'b', queue: 'narrow' }, wait, 'of b');
    runner.addTask({ name: 'c', queue: 'narrow' }, wait, 'of c');
    await clock.advance(1000);
    expect(told()).toEqual(['Task c waits for task of c']);
  });
});

describe('R12: no warning names', () => {
  it('a wait that ends by itself', async () => {
    const { clock, handle, runner, told } = kitOf();
    await handle(async (tasks) => {
      tasks.addTask(() => undefined);
      void runner.addTask(() => undefined).whenSettled();
    });
    const first = runner.addTask({ name: 'first' }, () => clock.sleep(50));
    runner.addTask(asking(() => first));
    await clock.advance(100);
    expect(told()).toEqual([]);
  });
});
