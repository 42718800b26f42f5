import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { DrainScope, Engine } from '../../../lib/engine/engine.js';
import type { TaskEvents } from '../../../lib/observe/task-events.js';
import { Lifecycle, type LifecycleParts } from '../../../lib/run/lifecycle.js';
import { Deferred } from '../support/deferred.js';
import { FakeClock } from '../support/fake-clock.js';
import { RecordingLogger } from '../support/recording-logger.js';

const DRAIN_TIMEOUT_MS = 1_000;

/** A lifecycle whose parts write down what is asked of them, and drain when the test says so. */
function lifecycleOf(drains: Partial<Record<DrainScope, Promise<void>>> = {}) {
  const clock = new FakeClock();
  const calls: string[] = [];
  const startedAt = clock.now();
  const engine = {
    start: (restorer: unknown) => void calls.push(`start ${String(restorer)}`),
    drain: (deadline: number, awaited: DrainScope) => {
      calls.push(`drain ${awaited} until ${deadline - startedAt}`);
      return drains[awaited] ?? Promise.resolve();
    },
    stop: (graceMs: number) => Promise.resolve(void calls.push(`stop ${graceMs}`)),
    close: () => void calls.push('close'),
  } as unknown as Engine;
  const parts: LifecycleParts = {
    engine,
    clock,
    restorer: 'restorer' as never,
    events: { complete: () => void calls.push('complete') } as unknown as TaskEvents,
    requests: {
      whenClosedReleased: () => void calls.push('released'),
      abandon: () => void calls.push('abandon'),
    },
    schedules: {
      start: () => void calls.push('tick'),
      stop: () => Promise.resolve(void calls.push('tick no more')),
    },
    drainTimeoutMs: DRAIN_TIMEOUT_MS,
  };
  const lifecycle = new Lifecycle();
  lifecycle.take(parts);
  return { lifecycle, clock, calls, engine };
}

/** Whether a promise has been settled by now. */
function watch(promise: Promise<unknown>): { isOver: boolean } {
  const state = { isOver: false };
  void promise.finally(() => {
    state.isOver = true;
  });
  return state;
}

function listenTo(count: number) {
  return jest.spyOn(process, 'listenerCount').mockReturnValue(count);
}

describe('the life of the tasks of an application', () => {
  let logger: RecordingLogger;

  beforeEach(() => {
    logger = new RecordingLogger();
    Logger.overrideLogger(logger);
  });

  afterEach(() => {
    jest.restoreAllMocks();
    Logger.overrideLogger(true);
  });

  it('begins when the application has bootstrapped', async () => {
    const { lifecycle, calls } = lifecycleOf();
    expect(calls).toEqual([]);
    await lifecycle.onApplicationBootstrap();
    expect(calls).toEqual(['start restorer', 'tick']);
  });

  it.each(['open', 'start'] as const)(
    'O14: is over when its stores do not %s, and says why they did not',
    async (step) => {
      const { lifecycle, calls, engine } = lifecycleOf();
      engine[step] = () => Promise.reject(new Error('no such disk'));
      engine.close = () => Promise.reject(new Error('nothing to close'));
      const begin = step === 'open' ? lifecycle.open() : lifecycle.onApplicationBootstrap();
      await expect(begin).rejects.toThrow('no such disk');
      expect(calls).toEqual(['complete']);
      engine.close = () => undefined;
      await lifecycle.onModuleDestroy(); // there is nothing to wait for
      expect(calls).toEqual(['complete', 'released']);
    },
  );

  it.each([
    [0, 1],
    [1, 0],
  ])('with %i listeners to SIGTERM has %i warnings about that', async (listeners, warnings) => {
    const count = listenTo(listeners);
    const { lifecycle, clock } = lifecycleOf();
    await lifecycle.onApplicationBootstrap();
    await clock.settle();
    expect(count).toHaveBeenCalledWith('SIGTERM');
    expect(logger.of('warn')).toHaveLength(warnings);
    expect(logger.of('warn').join()).toMatch(
      warnings === 0 ? /^$/ : /Nobody listens to SIGTERM.* Call app\.enableShutdownHooks\(\)/,
    );
  });

  it('waits with that warning until the caller has the application, and can ask for the hooks', async () => {
    listenTo(0);
    const { lifecycle, clock } = lifecycleOf();
    await lifecycle.onApplicationBootstrap();
    listenTo(1); // as `enableShutdownHooks()` of an application context does now
    await clock.settle();
    expect(logger.of('warn')).toEqual([]);
  });

  it('has no such warning where it is over before that', async () => {
    listenTo(0);
    const { lifecycle, clock } = lifecycleOf();
    await lifecycle.onApplicationBootstrap();
    await lifecycle.onModuleDestroy();
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
    const destroyed = watch(lifecycle.onModuleDestroy());
    await clock.advance(499);
    expect(calls).toEqual(['tick no more', 'released', 'drain released until 1000']);
    await clock.advance(1);
    expect(calls.slice(3)).toEqual(['drain present until 1000']);
    expect(destroyed.isOver).toBe(false);
    present.resolve();
    await clock.settle();
    expect(destroyed.isOver).toBe(true);
    expect(calls).not.toContain('stop 1000');
  });

  it('gives up what is left when its time is over', async () => {
    const { lifecycle, clock, calls } = lifecycleOf({ present: new Promise(() => undefined) });
    await lifecycle.onApplicationBootstrap();
    await lifecycle.onModuleDestroy();
    calls.length = 0;
    const before = watch(lifecycle.beforeApplicationShutdown());
    await clock.advance(DRAIN_TIMEOUT_MS - 1);
    expect(before.isOver).toBe(false);
    await clock.advance(1);
    expect(before.isOver).toBe(true);
    expect(calls).toEqual(['drain present until 1000', 'stop 1000']);
  });

  it('shares its time among all drains', async () => {
    const { lifecycle, clock, calls } = lifecycleOf({ collected: new Promise(() => undefined) });
    await lifecycle.onApplicationBootstrap();
    await lifecycle.onModuleDestroy();
    await clock.advance(DRAIN_TIMEOUT_MS + 500);
    calls.length = 0;
    const shutdown = watch(lifecycle.onApplicationShutdown());
    await clock.advance(0);
    expect(shutdown.isOver).toBe(true);
    expect(calls).toEqual([
      'drain collected until 1000',
      'stop 1000',
      'stop 1000',
      'abandon',
      'close',
      'complete',
    ]);
  });

  it('leaves no timer behind', async () => {
    const { lifecycle, clock } = lifecycleOf();
    await lifecycle.onApplicationBootstrap();
    await lifecycle.onModuleDestroy();
    await lifecycle.onApplicationShutdown();
    expect(clock.pendingTimers).toBe(0);
  });

  it('tells of an engine that cannot be drained', async () => {
    const { lifecycle } = lifecycleOf({ released: Promise.reject(new Error('store')) });
    await lifecycle.onApplicationBootstrap();
    await expect(lifecycle.onModuleDestroy()).rejects.toThrow('store');
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
    expect(logger.lines).toEqual([]);
  });
});
