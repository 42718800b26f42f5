import { describe, expect, it } from '@jest/globals';
import { EngineRouter } from '../../../lib/engine/engine-router.js';
import { type DrainScope, type EngineFactory } from '../../../lib/engine/engine.js';
import type { KeptTasks } from '../../../lib/engine/kept-tasks.js';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import type { TaskInfo } from '../../../lib/task/task-info.js';
import { createKit } from '../support/kit.js';
import { resolutionOf } from '../support/resolution.js';
import { bareTask } from '../support/tasks.js';

/** Another engine than the module's: what differs from memory is no matter here. */
const other = (): EngineFactory => ({
  engine: 'other',
  create: (setting) => new MemoryEngine(setting),
});

/** Queues `a` and `b` of one engine, `default` of memory. */
function twoEngines() {
  const engine = other();
  return createKit({ queues: { a: { engine, concurrency: 1 }, b: { engine } } });
}

const QUEUES = ['default', 'a', 'b'] as const;

describe('queues of several engines', () => {
  it.each<DrainScope>(['present', 'released', 'collected'])(
    'P13: are drained when the lines of a request have ended in each of them (%s)',
    async (scope) => {
      const { clock, engine, handle } = twoEngines();
      const handles = await handle((tasks) =>
        ['default', 'a', 'default', 'b'].map((queue) =>
          tasks.addTask({ queue }, () => clock.sleep(10)),
        ),
      );
      await clock.settle();
      const drain = resolutionOf(engine.drain(clock.now() + 1_000, scope));
      await clock.advance(19);
      expect([drain.isThere, handles[3]?.status]).toEqual([false, 'running']);
      await clock.advance(1);
      expect([drain.isThere, handles[3]?.status]).toEqual([true, 'completed']);
    },
  );

  it('P13: are drained of the tasks that are there, however many follow', async () => {
    const { clock, engine, runner } = twoEngines();
    let isComing = true;
    const more = (queue: string): void => {
      runner.addTask({ queue }, async () => {
        if (isComing) {
          more(queue === 'a' ? 'default' : 'a');
        }
        await clock.sleep(10);
      });
    };
    more('a');
    more('default');
    await clock.settle();
    const drain = resolutionOf(engine.drain(clock.now() + 10_000, 'present'));
    await clock.advance(1_000);
    isComing = false;
    expect(drain.isThere).toBe(true);
  });

  it('drain, stop and close together', async () => {
    const { runner, engine, clock } = twoEngines();
    const handles = QUEUES.map((queue) => runner.addTask({ queue }, () => clock.sleep(50)));
    const drained = engine.drain(clock.now() + 1_000, 'collected');
    await clock.advance(100);
    await drained;
    expect(handles.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);

    const late = QUEUES.map((queue) => runner.addTask({ queue, delay: '1h' }, () => undefined));
    await engine.stop(0);
    await engine.close();
    expect(late.map(({ status }) => status)).toEqual(['abandoned', 'abandoned', 'abandoned']);
    expect(() => runner.addTask({ queue: 'a' }, () => undefined)).toThrow(/shut down/);
  });
});

const gone = (): Promise<never> => Promise.reject(new Error('gone'));

/** A store that has one failed task, or that cannot be reached. */
function storeWith(id: string, queue: string, isGone = false): Partial<KeptTasks> {
  const task = Object.defineProperty(bareTask(id), 'queue', { value: queue });
  const has = (asked: string): Promise<boolean> => Promise.resolve(asked === id);
  const asked = {
    find: async (one: string) => ((await has(one)) ? ({ id } as TaskInfo) : undefined),
    retry: async (one: string) => ((await has(one)) ? task : undefined),
    cancel: has,
    forget: has,
  };
  const counts = () => Promise.resolve(new Map([[queue, { failed: 1 }]]));
  return {
    ...(isGone ? { find: gone, retry: gone, cancel: gone, forget: gone } : asked),
    counts,
  };
}

/** Queues `a` and `b`, each with a store of its own, and `m` in memory. */
function sharedStores(isGone: boolean): Required<KeptTasks> {
  const engines = {
    a: { kept: storeWith('1', 'a', isGone) },
    b: { kept: storeWith('2', 'b') },
    m: {},
  };
  return new EngineRouter(new Map(Object.entries(engines)) as never).kept as Required<KeptTasks>;
}

describe('the shared stores of several engines', () => {
  it('count the tasks of all queues, or of one', async () => {
    const shared = sharedStores(false);
    expect([...(await shared.counts(undefined)).keys()]).toEqual(['a', 'b']);
    expect([...(await shared.counts('b')).keys()]).toEqual(['b']);
  });

  it('answer from one store while another cannot be reached, unless that may have the task', async () => {
    const shared = sharedStores(true);
    expect(await shared.find('2')).toEqual({ id: '2' });
    expect((await shared.retry('2'))?.queue).toBe('b');
    expect([await shared.cancel('2'), await shared.forget('2')]).toEqual([true, true]);
    for (const ask of ['find', 'retry', 'cancel', 'forget'] as const) {
      await expect(shared[ask]('9')).rejects.toThrow('gone');
    }
  });
});
