import { describe, expect, it, jest } from '@jest/globals';
import { EngineRouter } from '../../../lib/engine/engine-router.js';
import { type DrainScope, type Engine, type EngineFactory } from '../../../lib/engine/engine.js';
import type { KeptTasks } from '../../../lib/engine/kept-tasks.js';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import type { TaskInfo } from '../../../lib/task/task-info.js';
import type { Task } from '../../../lib/task/task.js';
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

  it('P13: are drained of what is present, however much comes after it', async () => {
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

/** An engine of which a test names the parts that it asks for. */
const engineWith = (parts: Partial<Engine>): Engine => parts as Engine;

function router(parts: Record<string, Partial<Engine>>): EngineRouter {
  const engines = Object.entries(parts).map(([queue, each]) => [queue, engineWith(each)] as const);
  return new EngineRouter(new Map(engines));
}

const viewOf = (id: string): TaskInfo => ({ id }) as TaskInfo;
const taskIn = (queue: string): Task =>
  Object.defineProperty(bareTask('task'), 'queue', { value: queue });

describe('the router before several engines', () => {
  it('refuses a queue that nobody has', () => {
    expect(() => router({ a: {} }).supportOf('b')).toThrow('No engine has a queue "b".');
  });

  it('commits to each engine what is its own, and to none what is not', async () => {
    const commitA = jest.fn<Engine['commit']>(() => Promise.resolve());
    const commitB = jest.fn<Engine['commit']>();
    const routed = router({ a: { commit: commitA }, b: { commit: commitB } });
    const [a, b] = [taskIn('a'), taskIn('b')];
    expect(await routed.commit([a, b], true)).toBeUndefined();
    expect(commitA).toHaveBeenCalledWith([a], true);
    expect(commitB).toHaveBeenCalledWith([b], true);
    expect(routed.commit([b])).toBeUndefined();
    expect(commitA).toHaveBeenCalledTimes(1);
  });
});

function storeWith(found: string, listed: string[], queue: string, failed: number) {
  return {
    find: (id: string) => Promise.resolve(id === found ? viewOf(id) : undefined),
    list: () => Promise.resolve(listed.map(viewOf)),
    counts: () => Promise.resolve(new Map([[queue, { failed }]])),
    cancel: (id: string) => Promise.resolve(id === found),
    forget: (id: string) => Promise.resolve(id === found),
    retry: (id: string) => Promise.resolve(id === found ? taskIn(queue) : undefined),
  };
}

/** Queues `a` and `b`, each with a store of its own, and `m` in memory. */
function stores() {
  const first = storeWith('1', ['1', '2'], 'a', 1);
  const second = storeWith('2', ['3'], 'b', 2);
  const [a, b] = [first, second] as unknown as KeptTasks[];
  const engines = {
    a: { kept: a },
    b: { kept: b },
    m: {},
  };
  return { first, shared: router(engines).kept as Required<KeptTasks> };
}

const gone = (): Promise<never> => Promise.reject(new Error('gone'));

describe('the shared stores of several engines', () => {
  it('count the tasks of all, or of the one with the queue', async () => {
    const { shared } = stores();
    expect(await shared.counts(undefined)).toEqual(
      new Map([
        ['a', { failed: 1 }],
        ['b', { failed: 2 }],
      ]),
    );
    expect(await shared.counts('b')).toEqual(new Map([['b', { failed: 2 }]]));
  });

  it('give what one of them knows while another cannot be reached', async () => {
    const { first, shared } = stores();
    Object.assign(first, { find: gone, retry: gone, cancel: gone, forget: gone });
    expect(await shared.find('2')).toEqual({ id: '2' });
    expect((await shared.retry('2'))?.queue).toBe('b');
    expect([await shared.cancel('2'), await shared.forget('2')]).toEqual([true, true]);
  });

  it('say so where the one that cannot be reached may have it', async () => {
    const { first, shared } = stores();
    Object.assign(first, { find: gone, retry: gone, cancel: gone, forget: gone });
    await expect(shared.find('9')).rejects.toThrow('gone');
    await expect(shared.retry('9')).rejects.toThrow('gone');
    await expect(shared.cancel('9')).rejects.toThrow('gone');
    await expect(shared.forget('9')).rejects.toThrow('gone');
  });
});
