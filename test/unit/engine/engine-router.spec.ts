import { describe, expect, it, jest } from '@jest/globals';
import { EngineRouter } from '../../../lib/engine/engine-router.js';
import {
  type DrainScope,
  type Engine,
  type EngineFactory,
  unsupportedOption,
} from '../../../lib/engine/engine.js';
import type { KeptTasks } from '../../../lib/engine/kept-tasks.js';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import type { TaskHandle } from '../../../lib/index.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import type { TaskInfo } from '../../../lib/task/task-info.js';
import type { BackgroundOptions } from '../../../lib/task/task-options.js';
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
  it('are paused and resumed one by one, or together', async () => {
    const { runner, clock } = twoEngines();
    await runner.pause('a');
    const handles = QUEUES.map((queue) => runner.addTask({ queue }, () => undefined));
    const statuses = () => handles.map(({ status }) => status);
    await clock.settle();
    expect(statuses()).toEqual(['completed', 'queued', 'completed']);
    await runner.resume('a');
    await clock.settle();
    expect(statuses()).toEqual(['completed', 'completed', 'completed']);

    await runner.pause();
    const more = QUEUES.map((queue) => runner.addTask({ queue }, () => undefined));
    await clock.settle();
    expect(more.map(({ status }) => status)).toEqual(['queued', 'queued', 'queued']);
    await runner.resume();
    const idle = runner.whenIdle();
    await clock.settle();
    await idle;
    expect(more.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
  });

  it('count what a request has dropped', async () => {
    const { runner, handle } = twoEngines();
    const failed = handle((tasks) => {
      QUEUES.forEach((queue) => tasks.addTask({ queue }, () => undefined));
      throw new Error('refused');
    });
    await expect(failed).rejects.toThrow('refused');
    await runner.whenIdle();
    expect(await runner.counts()).toMatchObject({ dropped: 3 });
  });

  it('are idle when all of them are at the same time, whichever adds to another', async () => {
    const { runner, clock } = twoEngines();
    const ran: string[] = [];
    const hop = (queues: readonly string[]): TaskHandle =>
      runner.addTask({ queue: queues[0] }, async () => {
        await clock.sleep(10);
        ran.push(queues[0]);
        if (queues.length > 1) {
          hop(queues.slice(1));
        }
      });
    hop(['default', 'a', 'default', 'b']);
    const idleness = resolutionOf(runner.whenIdle());
    await clock.advance(39);
    expect([idleness.isThere, ran]).toEqual([false, ['default', 'a', 'default']]);
    await clock.advance(1);
    expect([idleness.isThere, ran]).toEqual([true, ['default', 'a', 'default', 'b']]);
  });

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

  it('rejects where one of the stores cannot be reached', async () => {
    const here = { ping: () => undefined };
    const routed = router({ a: here, b: { ping: () => Promise.reject(new Error('gone')) } });
    await expect(routed.ping()).rejects.toThrow('gone');
    await expect(router({ a: here, b: here }).ping()).resolves.toBeUndefined();
  });

  it('tells how the queues of every engine stand, also where only a store can tell', async () => {
    const a = { states: () => Promise.resolve([{ queue: 'a' }]) } as unknown as Partial<Engine>;
    const b = { states: () => [{ queue: 'b' }] } as unknown as Partial<Engine>;
    expect(await router({ a, b }).states()).toEqual([{ queue: 'a' }, { queue: 'b' }]);
  });

  it('keeps nothing where no engine does', () => {
    expect(router({ a: {}, b: {} }).kept).toBeUndefined();
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
  it('find a task, whichever has it', async () => {
    const { shared } = stores();
    expect(await shared.find('2')).toEqual({ id: '2' });
    expect(await shared.find('3')).toBeUndefined();
  });

  it('list the tasks of all, or of the one with the queue, up to the limit', async () => {
    const { shared } = stores();
    const list = async (queue: string | undefined, limit: number) =>
      (await shared.list({ status: undefined, name: undefined, queue, limit })).map(({ id }) => id);
    expect(await list(undefined, 100)).toEqual(['1', '2', '3']);
    expect(await list(undefined, 2)).toEqual(['1', '2']);
    expect(await list('b', 100)).toEqual(['3']);
    expect(await list('m', 100)).toEqual([]);
  });

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

  it('cancel, forget and retry what one of them has', async () => {
    const { shared } = stores();
    expect([await shared.cancel('1'), await shared.cancel('9')]).toEqual([true, false]);
    expect([await shared.forget('1'), await shared.forget('9')]).toEqual([true, false]);
    expect((await shared.retry('2'))?.queue).toBe('b');
    expect(await shared.retry('9')).toBeUndefined();
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

  it('are asked for a task only where it can be, if its queue is known', async () => {
    const { first, shared } = stores();
    Object.assign(first, { find: gone, retry: gone });
    expect(await shared.find('9', 'b')).toBeUndefined();
    expect(await shared.retry('9', 'm')).toBeUndefined();
    await expect(shared.find('9', 'a')).rejects.toThrow('gone');
  });
});

const OF_ONE_PROCESS = { engine: 'x', storage: undefined };
const SHARED = { ...OF_ONE_PROCESS, isShared: true };

const settingsOf = (options: BackgroundOptions) =>
  new ResolvedOptions({}).forTask(undefined, options);

describe('what an engine cannot do', () => {
  it.each<[BackgroundOptions, string | undefined]>([
    [{ batch: { size: 2, wait: 5 } }, 'batch'],
    [{ concurrencyKey: 'key' }, 'concurrencyKey'],
    [{ dedupe: { key: 'key', window: '1s' } }, 'dedupe.window'],
    [{ dedupe: { key: 'key', again: true } }, 'dedupe.again'],
    [{ dedupe: { key: 'key' } }, undefined],
    [{ retry: { attempts: 3 }, delay: 5, timeout: 5 }, undefined],
    [{}, undefined],
  ])('of %j is %p', (options, option) => {
    expect(unsupportedOption(SHARED, settingsOf(options))).toBe(option);
    expect(unsupportedOption(OF_ONE_PROCESS, settingsOf(options))).toBeUndefined();
  });
});
