import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from '@jest/globals';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { bareTask } from '../support/tasks.js';

const requests = new AsyncLocalStorage<string>();

function createEngine() {
  const clock = new FakeClock();
  /** Which tasks were attempted, and on behalf of which request. */
  const attempted: string[] = [];
  const { queues } = new ResolvedOptions({ queues: { default: { concurrency: 1 } } });
  const engine = new MemoryEngine({
    queues: [...queues.values()],
    worker: {
      attempt(task, conclude) {
        attempted.push(`${task.name} of ${requests.getStore() ?? 'nobody'}`);
        task.attempt = {
          reading: undefined,
          interrupt: () => conclude(task, { kind: 'cancelled' }),
        };
      },
      announce: (task) => task.settle({ status: 'cancelled', attempts: 1 }),
    },
    clock,
    logger: new RecordingLogger(),
  });
  void engine.start();
  return {
    clock,
    engine,
    attempted,
    add: (task: Task): Task => {
      engine.admit(task);
      engine.release(task);
      return task;
    },
  };
}

describe('P7: a task is not started on behalf of', () => {
  it('the request that happens to add another one', async () => {
    const { clock, attempted, add } = createEngine();
    requests.run('request', () => add(bareTask('1')));
    await clock.settle();
    expect(attempted).toEqual(['1 of nobody']);
  });

  it('the request that cancels the one before it, nor are those after it', async () => {
    const { clock, engine, attempted, add } = createEngine();
    const [first, second] = ['1', '2', '3'].map((name) => add(bareTask(name)));
    await clock.settle();
    requests.run('request', () => engine.cancel(first));
    await clock.settle();
    requests.run('other request', () => engine.cancel(second));
    await clock.settle();
    expect(attempted).toEqual(['1 of nobody', '2 of nobody', '3 of nobody']);
  });

  it('whoever created the application, in a span of its tracer maybe', async () => {
    const { clock, engine, attempted, add } = requests.run('start-up', createEngine);
    const first = add(bareTask('1'));
    add(bareTask('2'));
    await clock.settle();
    engine.cancel(first);
    await clock.settle();
    expect(attempted).toEqual(['1 of nobody', '2 of nobody']);
  });

  it('the request whose task waited before it', async () => {
    const { clock, attempted, add } = createEngine();
    const options = { delay: 10 };
    requests.run('request', () => add(bareTask('1', undefined, { options })));
    await clock.advance(10);
    expect(attempted).toEqual(['1 of nobody']);
  });
});
