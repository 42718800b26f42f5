import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { DrainScope, Engine } from '../../../lib/engine/engine.js';
import { Log } from '../../../lib/observe/log.js';
import type { TaskEvents } from '../../../lib/observe/task-events.js';
import { Lifecycle, type LifecycleParts, type OpenServer } from '../../../lib/run/lifecycle.js';
import { Deferred } from '../../support/deferred.js';
import { FakeClock } from '../support/fake-clock.js';
import { resolutionOf } from '../support/resolution.js';
import { LogBook } from '../../support/log-book.js';

const DRAIN_TIMEOUT_MS = 1_000;

/** A lifecycle whose parts write down what is asked of them, and drain when the test says so. */
function lifecycleOf(drains: Partial<Record<DrainScope, Promise<void>>> = {}) {
  const clock = new FakeClock();
  const calls: string[] = [];
  const startedAt = clock.now();
  const logger = new LogBook();
  const server: { -readonly [Key in keyof OpenServer]: OpenServer[Key] } = {};
  const tasks: { name: string; id: string; isFromStore?: boolean }[] = [];
  const engine = {
    start: () => void calls.push('start'),
    drain: (deadline: number, awaited: DrainScope) => {
      calls.push(`drain ${awaited} until ${deadline - startedAt}`);
      return drains[awaited] ?? Promise.resolve();
    },
    tasks: () => tasks,
    stop: (graceMs: number) => Promise.resolve(void calls.push(`stop ${graceMs}`)),
    close: () => void calls.push('close'),
  } as unknown as Engine;
  const parts: LifecycleParts = {
    engine,
    restore: () => [],
    clock,
    events: { onStart: [], complete: () => void calls.push('complete') } as unknown as TaskEvents,
    requests: {
      whenClosedReleased: () => void calls.push('released'),
      collected: () => tasks as never,
      abandon: () => void calls.push('abandon'),
    },
    schedules: {
      start: () => void calls.push('tick'),
      stop: () => Promise.resolve(void calls.push('tick no more')),
    },
    log: new Log(logger),
    drainTimeoutMs: DRAIN_TIMEOUT_MS,
    queues: ['default (memory, 10 at once)', 'mails (bullmq, 5 at once)'],
    server: () => server,
    leave: () => undefined,
  };
  const lifecycle = new Lifecycle();
  lifecycle.take(parts);
  return { lifecycle, clock, calls, engine, logger, server, tasks };
}

function listenTo(count: number) {
  return jest.spyOn(process, 'listenerCount').mockReturnValue(count);
}

describe('the life of the tasks of an application', () => {
  afterEach(() => void jest.restoreAllMocks());

  it('begins when the application has bootstrapped', async () => {
    const { lifecycle, calls } = lifecycleOf();
    expect(calls).toEqual([]);
    await lifecycle.onApplicationBootstrap();
    expect(calls).toEqual(['start', 'tick']);
  });

  it.each(['open', 'start'] as const)(
    'O14: is over when its stores do not %s, and says why they did not',
    async (step) => {
      const { lifecycle, calls, engine } = lifecycleOf();
      engine[step] = () => Promise.reject(new Error('no such disk'));
      engine.close = () => Promise.reject(new Error('nothing to close'));
      const begin =
        step === 'open'
          ? lifecycle.open(async () => undefined)
          : lifecycle.onApplicationBootstrap();
      await expect(begin).rejects.toThrow('no such disk');
      expect(calls).toEqual(['complete']);
      engine.close = () => undefined;
      await lifecycle.onModuleDestroy(); // there is nothing to wait for
      expect(calls).toEqual(['complete', 'tick no more', 'released']);
    },
  );

  it.each([
    [0, 1],
    [1, 0],
  ])('with %i listeners to SIGTERM has %i warnings about that', async (listeners, warnings) => {
    const count = listenTo(listeners);
    const { lifecycle, clock, logger } = lifecycleOf();
    await lifecycle.onApplicationBootstrap();
    await clock.settle();
    expect(count).toHaveBeenCalledWith('SIGTERM');
    expect(logger.of('warn')).toHaveLength(warnings);
    expect(logger.of('warn').join()).toMatch(
      warnings === 0 ? /^$/ : /Nothing listens for SIGTERM.* Call app\.enableShutdownHooks\(\[/,
    );
  });

  it('waits with that warning until the caller has the application, and can ask for the hooks', async () => {
    listenTo(0);
    const { lifecycle, clock, logger } = lifecycleOf();
    await lifecycle.onApplicationBootstrap();
    listenTo(1); // as `enableShutdownHooks()` of an application context does now
    await clock.settle();
    expect(logger.of('warn')).toEqual([]);
  });

  it('ends in three drains, and then in a stop', async () => {
    const { lifecycle, calls } = lifecycleOf();
    await lifecycle.onApplicationBootstrap();
    calls.length = 0;
    await lifecycle.onModuleDestroy();
    expect(calls.splice(0)).toEqual(['tick no more', 'released', 'drain released until 1000']);
    await lifecycle.beforeApplicationShutdown();
    expect(calls.splice(0)).toEqual(['drain present until 1000']);
    await lifecycle.onApplicationShutdown();
    expect(calls).toEqual([
      'drain collected until 1000',
      'stop 1000',
      'abandon',
      'close',
      'complete',
    ]);
  });

  it('waits half of its time for what keeps coming, and then for what is there', async () => {
    const present = new Deferred();
    const { lifecycle, clock, calls } = lifecycleOf({
      released: new Promise(() => undefined),
      present: present.promise,
    });
    await lifecycle.onApplicationBootstrap();
    calls.length = 0;
    const destroyed = resolutionOf(lifecycle.onModuleDestroy());
    await clock.advance(499);
    expect(calls).toEqual(['tick no more', 'released', 'drain released until 1000']);
    await clock.advance(1);
    expect(calls.slice(3)).toEqual(['drain present until 1000']);
    expect(destroyed.isThere).toBe(false);
    present.resolve();
    await clock.settle();
    expect(destroyed.isThere).toBe(true);
    expect(calls).not.toContain('stop 1000');
  });

  it('P13, O12: shares its time among all drains, and has what others take meanwhile left', async () => {
    const present = new Deferred();
    const { lifecycle, clock, calls } = lifecycleOf({
      present: present.promise,
      collected: new Promise(() => undefined),
    });
    await lifecycle.onApplicationBootstrap();
    await lifecycle.onModuleDestroy();
    await clock.advance(60_000); // the hooks of another module
    const before = lifecycle.beforeApplicationShutdown();
    await clock.advance(300);
    present.resolve();
    await before;
    await clock.advance(60_000); // those of Terminus, and open requests
    calls.length = 0;
    const shutdown = resolutionOf(lifecycle.onApplicationShutdown());
    await clock.advance(699);
    expect(calls).toEqual(['drain collected until 121000']);
    await clock.advance(1);
    expect(shutdown.isThere).toBe(true);
    expect(calls.slice(1)).toEqual(['stop 1000', 'stop 1000', 'abandon', 'close', 'complete']);
  });

  it('O13: says how many requests Nest waits for, what ends them, and which tasks wait with them', async () => {
    const { lifecycle, clock, logger, server, tasks } = lifecycleOf();
    await lifecycle.onApplicationBootstrap();
    server.listening = true;
    server.getConnections = (callback) => callback(null, 2);
    tasks.push(...Array.from({ length: 12 }, (_, n) => ({ name: `send\n${n}`, id: `id-${n}` })));
    await lifecycle.onModuleDestroy();
    await clock.advance(DRAIN_TIMEOUT_MS + 5_000);
    expect(logger.of('warn')).toEqual([]);
    server.listening = false; // the hooks of others are over, and Nest closes the server
    await clock.advance(DRAIN_TIMEOUT_MS);
    await clock.advance(60_000);
    expect(logger.of('warn')).toEqual([
      expect.stringMatching(
        /^The shutdown waits for 2 open requests, .* forceCloseConnections: true .* with them: send\\n0 \(id-0\), .*, send\\n9 \(id-9\) and 2 more\.$/,
      ),
    ]);
  });

  it.each([0, undefined])('O13: says nothing of requests where %s are open', async (open) => {
    const { lifecycle, clock, logger, server } = lifecycleOf();
    await lifecycle.onApplicationBootstrap();
    Object.assign(server, {
      listening: open === undefined ? undefined : false,
      getConnections: (callback: (error: null, count: number) => void) => callback(null, 0),
    });
    await lifecycle.onModuleDestroy();
    await clock.advance(60_000);
    expect(logger.of('warn')).toEqual([]);
  });

  it('O25: says at its start which queues there are, and how many tasks were left behind', async () => {
    const { lifecycle, logger, tasks } = lifecycleOf();
    tasks.push({ name: 'a', id: '1', isFromStore: true }, { name: 'b', id: '2' });
    await lifecycle.onApplicationBootstrap();
    expect(logger.of('log')).toEqual([
      'Tasks run from now on. Queues: default (memory, 10 at once), mails (bullmq, 5 at once)',
      'Resumed 1 task that an earlier process left behind',
    ]);
  });

  it('does not wait for what was never started', async () => {
    const never = new Promise<void>(() => undefined);
    const { lifecycle, calls } = lifecycleOf({ released: never, present: never, collected: never });
    await lifecycle.onModuleDestroy();
    await lifecycle.beforeApplicationShutdown();
    await lifecycle.onApplicationShutdown();
    expect(calls.slice(1)).toEqual(['released', 'stop 1000', 'abandon', 'close', 'complete']);
  });

  it('is over at once where the application failed before there was anything', async () => {
    listenTo(1);
    const lifecycle = new Lifecycle();
    await lifecycle.onApplicationBootstrap();
    await lifecycle.onModuleDestroy();
    await lifecycle.beforeApplicationShutdown();
    await lifecycle.onApplicationShutdown();
    expect(lifecycle).toBeInstanceOf(Lifecycle);
  });
});
