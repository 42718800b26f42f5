import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { DrainScope, Engine } from '../../../lib/engine/engine.js';
import { Log } from '../../../lib/observe/log.js';
import { Lifecycle, type LifecycleParts, type OpenServer } from '../../../lib/run/lifecycle.js';
import { FakeClock } from '../support/fake-clock.js';
import { resolutionOf } from '../support/resolution.js';
import { LogBook } from '../../support/log-book.js';

const DRAIN_TIMEOUT_MS = 1_000;

const none = (): Promise<void> => Promise.resolve();

/** A lifecycle whose parts are at once done with whatever is asked of them. */
function lifecycleOf() {
  const clock = new FakeClock();
  const logger = new LogBook();
  const server: { -readonly [Key in keyof OpenServer]: OpenServer[Key] } = {};
  const tasks: { name: string; id: string; isFromStore?: boolean }[] = [];
  const engine = { start: none, drain: none, stop: none, close: none, tasks: () => tasks };
  const parts = {
    engine,
    clock,
    events: { onStart: [], complete: none },
    requests: { whenClosedReleased: none, collected: () => tasks, abandon: none },
    schedules: { start: none, stop: none },
    log: new Log(logger),
    drainTimeoutMs: DRAIN_TIMEOUT_MS,
    queues: ['default (memory, 10 at once)', 'mails (bullmq, 5 at once)'],
    server: () => server,
    leave: none,
  };
  const lifecycle = new Lifecycle();
  lifecycle.take(parts as unknown as LifecycleParts);
  return { lifecycle, clock, engine: engine as unknown as Engine, logger, server, tasks };
}

function listenTo(count: number) {
  return jest.spyOn(process, 'listenerCount').mockReturnValue(count);
}

describe('the lifecycle of tasks', () => {
  afterEach(() => void jest.restoreAllMocks());

  it.each(['open', 'start'] as const)(
    'O14: fails with the first error if a store does not %s',
    async (step) => {
      const { lifecycle, engine } = lifecycleOf();
      engine[step] = () => Promise.reject(new Error('no such disk'));
      engine.close = () => Promise.reject(new Error('nothing to close'));
      const begin = step === 'open' ? lifecycle.open(none) : lifecycle.onApplicationBootstrap();
      await expect(begin).rejects.toThrow('no such disk');
    },
  );

  it.each([
    ['if nothing listens for SIGTERM', 0, 0, 1],
    ['unless something does', 1, 1, 0],
    // As `enableShutdownHooks()` of an application context is called then.
    ['unless the caller of the start asks for the hooks', 0, 1, 0],
  ])('warns %s', async (_, before, after, warnings) => {
    const count = listenTo(before);
    const { lifecycle, clock, logger } = lifecycleOf();
    await lifecycle.onApplicationBootstrap();
    listenTo(after);
    await clock.settle();
    expect(count).toHaveBeenCalledWith('SIGTERM');
    expect(logger.of('warn')).toEqual(
      Array.from({ length: warnings }, () =>
        expect.stringMatching(/Nothing listens for SIGTERM.* Call app\.enableShutdownHooks\(\[/),
      ),
    );
  });

  it('P13: waits half of its time for tasks that keep coming, then for those that are there', async () => {
    const { lifecycle, clock, engine } = lifecycleOf();
    const drained: DrainScope[] = [];
    engine.drain = (_, scope) => {
      drained.push(scope);
      return scope === 'released' ? new Promise(() => undefined) : none();
    };
    await lifecycle.onApplicationBootstrap();
    const destroyed = resolutionOf(lifecycle.onModuleDestroy());
    await clock.advance(499);
    expect(drained).toEqual(['released']);
    await clock.advance(1);
    expect([drained, destroyed.isThere]).toEqual([['released', 'present'], true]);
  });

  it('P13, O12: shares drainTimeout among its drains, without the time of other hooks', async () => {
    const { lifecycle, clock, engine } = lifecycleOf();
    const left: number[] = [];
    engine.drain = (deadline) => {
      left.push(deadline - clock.now());
      return clock.sleep(300);
    };
    await lifecycle.onApplicationBootstrap();
    for (const hook of [
      'onModuleDestroy',
      'beforeApplicationShutdown',
      'onApplicationShutdown',
    ] as const) {
      const over = lifecycle[hook]();
      await clock.advance(300);
      await over;
      await clock.advance(60_000); // the hooks of other modules
    }
    expect(left).toEqual([1_000, 700, 400]);
  });

  it('O25: logs at its start which queues there are, and how many tasks are resumed', async () => {
    const { lifecycle, logger, tasks } = lifecycleOf();
    tasks.push({ name: 'a', id: '1', isFromStore: true }, { name: 'b', id: '2' });
    await lifecycle.onApplicationBootstrap();
    expect(logger.of('log')).toEqual([
      'Tasks run from now on. Queues: default (memory, 10 at once), mails (bullmq, 5 at once)',
      'Resumed 1 task that an earlier process left behind',
    ]);
  });

  it.each<[string, number, number, RegExp[]]>([
    ['nothing where none is left', 0, 1, []],
    ['how many are left', 1, 0, [/waits for 1 open request, .*Connections: true .* is killed\.$/]],
    [
      'of their tasks',
      2,
      12,
      [/waits for 2 open requests, .* t0 \(0\), .* t9 \(9\) and 2 more\.$/],
    ],
  ])('O13: tells of requests that do not end: %s', async (_, open, tasksLeft, lines) => {
    listenTo(1);
    const { lifecycle, clock, logger, server, tasks } = lifecycleOf();
    for (let index = 0; index < tasksLeft; index += 1) {
      tasks.push({ name: `t${index}`, id: `${index}` });
    }
    server.getConnections = (tell) => tell(undefined, open);
    server.listening = true;
    await lifecycle.onApplicationBootstrap();
    await lifecycle.onModuleDestroy();
    await clock.advance(DRAIN_TIMEOUT_MS + 1_000);
    expect(logger.of('warn')).toEqual([]); // until here, the hooks of other modules take the time
    server.listening = false;
    await clock.advance(1_000);
    expect(logger.of('warn')).toEqual(lines.map((line) => expect.stringMatching(line)));
  });
});
