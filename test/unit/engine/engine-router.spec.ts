import { describe, expect, it, jest } from '@jest/globals';
import type { DrainScope, Engine, EngineFactory, SharedStore } from '../../../lib/engine/engine.js';
import type { TaskInfo } from '../../../lib/task/task-info.js';
import { EngineRouter } from '../../../lib/engine/engine-router.js';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import type { TaskHandle } from '../../../lib/index.js';
import type { Task } from '../../../lib/task/task.js';
import { bareTask } from '../support/tasks.js';
import { createKit } from '../support/kit.js';
import { resolutionOf } from '../support/resolution.js';

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
  it('run their tasks, each its own', async () => {
    const { runner, clock } = twoEngines();
    const handles = QUEUES.map((queue) => runner.addTask({ queue }, () => undefined));
    await clock.settle();
    expect(handles.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
    const { queues } = await runner.stats();
    expect(Object.keys(queues).toSorted()).toEqual(['a', 'b', 'default']);
    expect(QUEUES.map((queue) => queues[queue]?.completed)).toEqual([1, 1, 1]);
  });

  it('keep the order of a request across engines', async () => {
    const { clock, handle } = twoEngines();
    const ran: string[] = [];
    await handle((tasks) => {
      for (const queue of ['a', 'default', 'b', 'a', 'default']) {
        tasks.addTask({ queue }, async () => {
          await clock.sleep(10);
          ran.push(queue);
        });
      }
    });
    await clock.advance(1_000);
    expect(ran).toEqual(['a', 'default', 'b', 'a', 'default']);
  });

  it('break a chain across engines', async () => {
    const { clock, runner } = twoEngines();
    const chain = runner.chain();
    const steps = [
      chain.addTask({ queue: 'a' }, () => clock.sleep(5)),
      chain.addTask({ queue: 'default' }, () => Promise.reject(new Error('no'))),
      chain.addTask({ queue: 'b' }, () => undefined),
    ];
    await clock.advance(100);
    expect(steps.map(({ status }) => status)).toEqual(['completed', 'failed', 'dropped']);
  });

  it('break a chain across engines at a step that is cancelled in line, and start nothing early', async () => {
    const { clock, runner } = twoEngines();
    const ran: string[] = [];
    const chain = runner.chain();
    const steps = [
      chain.addTask(async () => {
        await clock.sleep(100);
        ran.push('first');
      }),
      chain.addTask(() => ran.push('second')),
      chain.addTask({ queue: 'a' }, () => ran.push('third')),
      chain.addTask({ queue: 'default' }, () => ran.push('fourth')),
    ];
    await clock.advance(50);
    await steps[1]?.cancel();
    await clock.advance(10);
    const late = chain.addTask({ queue: 'b' }, () => ran.push('late'));
    await clock.advance(1_000);
    expect([...steps, late].map(({ status }) => status)).toEqual([
      'completed',
      'cancelled',
      'dropped',
      'dropped',
      'dropped',
    ]);
    expect(ran).toEqual(['first']);
  });

  it('know a step that waits for one of another engine: it is listed, and stands for its key', async () => {
    const { clock, runner } = twoEngines();
    const ran: string[] = [];
    const same = { queue: 'a', name: 'same', dedupe: { key: 'k' } };
    const chain = runner.chain();
    chain.addTask({ name: 'first' }, () => clock.sleep(100));
    const second = chain.addTask(same, () => ran.push('second'));
    await clock.advance(10);
    expect((await runner.list({ status: 'queued' })).map(({ id }) => id)).toEqual([second.id]);
    expect(runner.addTask(same, () => ran.push('duplicate')).id).toBe(second.id);
    await clock.advance(1_000);
    expect(ran).toEqual(['second']);
  });

  it('let a step follow a duplicate of another engine: another one does its work', async () => {
    const { clock, handle, runner } = twoEngines();
    const same = { name: 'same', dedupe: { key: 'k' } };
    const request = handle(async (tasks) => {
      const begun = tasks.chain();
      begun.addTask(() => clock.sleep(100));
      begun.addTask(same, () => undefined);
      await clock.sleep(10);
      return begun;
    });
    await clock.advance(5);
    runner.addTask(same, () => clock.sleep(1_000));
    await clock.advance(10);
    const chain = await request;
    const ran: string[] = [];
    const next = chain.addTask({ queue: 'a' }, () => ran.push('next'));
    await clock.advance(50);
    expect(ran).toEqual([]);
    await clock.advance(500);
    const last = chain.addTask({ queue: 'default' }, () => undefined);
    await clock.settle();
    expect([next.status, last.status]).toEqual(['completed', 'completed']);
  });

  it('let a step that is added later follow one of another engine that has settled', async () => {
    const { clock, runner } = twoEngines();
    const chain = runner.chain();
    chain.addTask({ queue: 'a' }, () => undefined);
    await clock.settle();
    const later = chain.addTask({ queue: 'default' }, () => undefined);
    await clock.settle();
    expect(later.status).toBe('completed');
  });

  it('know a duplicate, whichever engine has it', async () => {
    const { runner } = twoEngines();
    await runner.pause();
    const add = (queue: string): TaskHandle =>
      runner.addTask({ queue, name: 'same', dedupe: { key: 'k' } }, () => undefined);
    for (const queue of QUEUES) {
      expect(add(queue)).not.toBe(undefined);
      expect(add(queue).id).toBe((await runner.list({ queue }))[0]?.id);
      expect(await runner.list({ queue })).toHaveLength(1);
    }
  });

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

  it('list and cancel the tasks of all', async () => {
    const { runner } = twoEngines();
    const handles = QUEUES.map((queue) => runner.addTask({ queue, delay: '1h' }, () => undefined));
    expect(await runner.list({ status: 'delayed' })).toHaveLength(3);
    expect(await Promise.all(handles.map(({ id }) => runner.cancel(id)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(await runner.counts()).toMatchObject({ cancelled: 3, delayed: 0 });
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
    'P13: are drained when a line that goes on in another of them has ended (%s)',
    async (scope) => {
      const { clock, engine, handle } = twoEngines();
      const handles = await handle((tasks) =>
        ['default', 'a', 'default', 'b'].map((queue) =>
          tasks.addTask({ queue }, () => clock.sleep(10)),
        ),
      );
      await clock.settle();
      const drain = resolutionOf(engine.drain(clock.now() + 1_000, scope));
      await clock.advance(39);
      expect([drain.isThere, handles[3]?.status]).toEqual([false, 'running']);
      await clock.advance(1);
      expect([drain.isThere, handles[3]?.status]).toEqual([true, 'completed']);
    },
  );

  it.each<DrainScope>(['present', 'released', 'collected'])(
    'P13: are not drained of a line that starts past the deadline, wherever it goes on (%s)',
    async (scope) => {
      const { clock, engine, runner } = twoEngines();
      const chain = runner.chain();
      chain.addTask({ delay: '1h' }, () => undefined);
      chain.addTask({ queue: 'a' }, () => undefined);
      const drain = resolutionOf(engine.drain(clock.now() + 10_000, scope));
      await clock.settle();
      expect(drain.isThere).toBe(true);
    },
  );

  it('P13: are drained of what requests have collected, whatever stands in their lines', async () => {
    const { clock, engine, handle, runner } = twoEngines();
    const chain = runner.chain();
    chain.addTask({ delay: '1h' }, () => undefined);
    chain.addTask({ queue: 'a' }, () => undefined);
    const request = handle(async (tasks) => {
      const collected = tasks.addTask(() => undefined);
      await clock.sleep(100);
      return collected;
    });
    const drain = resolutionOf(engine.drain(clock.now() + 10_000, 'collected'));
    await clock.settle();
    expect(drain.isThere).toBe(false);
    await clock.advance(100);
    expect([drain.isThere, (await request).status]).toEqual([true, 'completed']);
  });

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
    expect(() => router({ a: {} }).storageOf('b')).toThrow('No engine has a queue "b".');
  });

  it('can what the engine of a queue can', () => {
    const support = { engine: 'x', batch: false, concurrencyKey: false, dedupeWindow: false };
    const routed = router({ a: { supportOf: () => support }, b: {} });
    expect([routed.supportOf('a'), routed.supportOf('b')]).toEqual([support, undefined]);
  });

  it('commits to each engine what is its own, and to none what is not', async () => {
    const commitA = jest.fn<Engine['commit']>(() => Promise.resolve());
    const commitB = jest.fn<Engine['commit']>();
    const routed = router({ a: { commit: commitA }, b: { commit: commitB } });
    const [a, b] = [taskIn('a'), taskIn('b')];
    expect(await routed.commit([a, b], true)).toBeUndefined();
    expect(commitA).toHaveBeenCalledWith([a], true, undefined);
    expect(commitB).toHaveBeenCalledWith([b], true, undefined);
    expect(routed.commit([b])).toBeUndefined();
    expect(commitA).toHaveBeenCalledTimes(1);
  });

  it('rejects where one of the stores cannot be reached', async () => {
    const routed = router({ a: {}, b: { ping: () => Promise.reject(new Error('gone')) } });
    await expect(routed.ping()).rejects.toThrow('gone');
    await expect(router({ a: {}, b: {} }).ping()).resolves.toBeUndefined();
  });

  it('has no shared store where no engine has', () => {
    expect(router({ a: {}, b: {} }).shared).toBeUndefined();
  });

  it('has a store hold what follows a task of another engine, until that has settled', async () => {
    const commit = jest.fn<Engine['commit']>();
    const release = jest.fn<Engine['release']>();
    const [before, after] = [taskIn('a'), taskIn('b')];
    const routed = router({ a: {}, b: { commit, release, shared: {} as SharedStore } });
    void routed.commit([after], false, before);
    expect(commit).toHaveBeenCalledWith([after], true);
    routed.follow(before, after);
    expect(release).not.toHaveBeenCalled();
    before.settle({ status: 'completed', attempts: 1, durationMs: 0 });
    await Promise.resolve();
    expect(release).toHaveBeenCalledWith(after);
  });

  it.each([
    ['failed', { status: 'failed', attempts: 1, durationMs: 0, error: new Error('no') }, true],
    ['cancelled', { status: 'cancelled', attempts: 0 }, true],
    ['completed', { status: 'completed', attempts: 1, durationMs: 0 }, false],
  ] as const)(
    'tells the next engine of a chain that a task of a store has %s',
    async (_status, outcome, isBroken) => {
      const release = jest.fn<Engine['release']>();
      const [before, after] = [taskIn('a'), taskIn('b')];
      after.chain = { isBroken: false };
      router({ a: { shared: {} as SharedStore }, b: { release } }).follow(before, after);
      before.settle(outcome);
      await Promise.resolve();
      expect(release).toHaveBeenCalledWith(after);
      expect(after.chain).toEqual({ isBroken });
    },
  );

  it('has a store hold what stands behind a task of another engine in a chain of the request', () => {
    const commit = jest.fn<Engine['commit']>();
    const inMemory = jest.fn<Engine['commit']>();
    const routed = router({ a: { commit: inMemory }, b: { commit, shared: {} as SharedStore } });
    const chain = { isBroken: false };
    const chained = ['b', 'a', 'b', 'b', 'a', 'b'].map((queue) =>
      Object.assign(taskIn(queue), { chain }),
    );
    const [first, second, third, fourth, fifth, sixth] = chained;
    const beside = taskIn('b');
    void routed.commit([...chained, beside], false);
    expect(commit.mock.calls).toEqual([
      [[first, beside], false, undefined],
      [[third, fourth], true],
      [[sixth], true],
    ]);
    expect(inMemory.mock.calls).toEqual([[[second, fifth], false, undefined]]);
  });

  it('tells an engine whom a task follows where that is its own, or nobody else can know', () => {
    const commit = jest.fn<Engine['commit']>();
    const [a, b, before] = [taskIn('a'), taskIn('b'), taskIn('a')];
    const routed = router({ a: { commit, shared: {} as SharedStore }, b: { commit } });
    void routed.commit([a], false, before);
    void routed.commit([b], false, before);
    expect(commit.mock.calls).toEqual([
      [[a], false, before],
      [[b], false, before],
    ]);
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
    states: () => Promise.resolve([{ queue }]),
    watch: jest.fn(),
    progressed: jest.fn(),
    logged: jest.fn(),
  };
}

/** Queues `a` and `b`, each with a store of its own, and `m` in memory. */
function stores() {
  const first = storeWith('1', ['1', '2'], 'a', 1);
  const second = storeWith('2', ['3'], 'b', 2);
  const engines = {
    a: { shared: first as unknown as SharedStore },
    b: { shared: second as unknown as SharedStore },
    m: { states: () => [{ queue: 'm' }] } as unknown as Partial<Engine>,
  };
  return { first, shared: router(engines).shared as SharedStore };
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

  it('tell how the queues of every engine stand, also of one without a store', async () => {
    const states = await stores().shared.states();
    expect(states.map(({ queue }) => queue)).toEqual(['a', 'b', 'm']);
  });

  it("pass what happens to a task on to its queue's store, if it has one", () => {
    const { shared, first } = stores();
    const task = taskIn('a');
    shared.watch(task);
    shared.progressed(task);
    shared.logged(task, 'a line');
    expect(first.watch).toHaveBeenCalledWith(task);
    expect(first.progressed).toHaveBeenCalledWith(task);
    expect(first.logged).toHaveBeenCalledWith(task, 'a line');
    expect(() => shared.watch(taskIn('m'))).not.toThrow();
  });
});
