import { describe, expect, it } from '@jest/globals';
import type { BackgroundTasksOptions, TaskHandle, TaskRunner } from '../../../lib/index.js';
import { createKit } from '../support/kit.js';

type Adding = Pick<TaskRunner, 'addTask'>;

/** Adds a task that asks for the end of another, and does not wait for it. */
const addAsking = (to: Adding, name: string, other: () => TaskHandle): TaskHandle =>
  to.addTask({ name }, () => void other().whenSettled());

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
    const handle: TaskHandle = addAsking(runner, 'a', () => handle);
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
      addAsking(tasks, 'a', () => last);
      tasks.addTask({ name: 'b' }, () => undefined);
      const last = tasks.addTask({ name: 'c' }, () => undefined);
    });
    const chain = runner.chain();
    addAsking(chain, 'x', () => next);
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

it('R12: no warning names a wait that ends by itself', async () => {
  const { clock, handle, runner, told } = kitOf();
  await handle(async (tasks) => {
    tasks.addTask(() => undefined);
    void runner.addTask(() => undefined).whenSettled();
  });
  const first = runner.addTask({ name: 'first' }, () => clock.sleep(50));
  addAsking(runner, 'second', () => first);
  await clock.advance(100);
  expect(told()).toEqual([]);
});
