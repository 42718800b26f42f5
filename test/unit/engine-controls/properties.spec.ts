import { describe, expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import {
  QueueFullError,
  currentTask,
  type EngineFactory,
  type RetryOptions,
  type TaskHandle,
} from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { HOSTILE_VALUES, thenable, thrower } from '../support/hostile-values.js';
import { resolutionOf } from '../support/resolution.js';
import { Watch, type WatchedLimits, type WatchedTask } from '../support/watch.js';

const QUEUES = ['default', 'other'] as const;
type Queue = (typeof QUEUES)[number];

/** How one attempt goes. */
interface Go {
  readonly takes: number;
  readonly ends: 'returns' | 'throws' | 'rejects' | 'never' | (typeof ODDITIES)[number];
  /** Makes what it throws, where it throws. */
  readonly value: () => unknown;
}

const ODDITIES = [
  'adds a task',
  'resolves twice',
  'rejects twice',
  'throws in then',
  'throws in get then',
] as const;

function fail(): never {
  throw thrower();
}

interface Spec {
  readonly queue: Queue;
  readonly priority: 'high' | 'normal' | 'low';
  readonly key: string | undefined;
  readonly dedupe: string | undefined;
  readonly window: number | undefined;
  readonly delay: number;
  readonly timeout: number;
  readonly attempts: number;
  /** Of its retries, besides their number. */
  readonly policy: Pick<RetryOptions, 'retryIf' | 'backoff'>;
  readonly goes: readonly Go[];
}

type Action =
  | { readonly kind: 'add'; readonly spec: Spec }
  | {
      readonly kind: 'request';
      readonly specs: readonly Spec[];
      readonly isChained: boolean;
      readonly isCancelled: boolean;
      readonly takes: number;
      readonly fails: boolean;
    }
  | { readonly kind: 'cancel' | 'retry'; readonly nth: number }
  | { readonly kind: 'pause' | 'resume'; readonly queue: Queue }
  | { readonly kind: 'advance'; readonly by: number };

const go: fc.Arbitrary<Go> = fc.record({
  takes: fc.constantFrom(0, 0, 3, 10),
  ends: fc.oneof(
    { weight: 5, arbitrary: fc.constant('returns' as const) },
    { weight: 2, arbitrary: fc.constantFrom('throws' as const, 'rejects' as const) },
    { weight: 1, arbitrary: fc.constantFrom('never' as const, ...ODDITIES) },
  ),
  value: fc.constantFrom(...HOSTILE_VALUES.map(([, make]) => make)),
});

const spec: fc.Arbitrary<Spec> = fc.record({
  queue: fc.constantFrom(...QUEUES),
  priority: fc.constantFrom('high' as const, 'normal' as const, 'low' as const),
  key: fc.constantFrom(undefined, undefined, 'a', 'b'),
  dedupe: fc.constantFrom(undefined, undefined, undefined, 'x', 'y'),
  window: fc.constantFrom(undefined, 20),
  delay: fc.constantFrom(0, 0, 0, 5, 20),
  timeout: fc.constantFrom(8, 50),
  attempts: fc.constantFrom(1, 1, 3),
  policy: fc.oneof(
    { weight: 6, arbitrary: fc.constant({}) },
    fc.constantFrom<Spec['policy']>(
      { retryIf: fail },
      { backoff: fail },
      { backoff: () => thrower() as never },
    ),
  ),
  goes: fc.array(go, { minLength: 1, maxLength: 3 }),
});

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('add' as const), spec }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('request' as const),
      specs: fc.array(spec, { minLength: 1, maxLength: 4 }),
      isChained: fc.boolean(),
      isCancelled: fc.boolean(),
      takes: fc.constantFrom(0, 4),
      fails: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('cancel' as const, 'retry' as const),
      nth: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('pause' as const, 'resume' as const, 'resume' as const),
      queue: fc.constantFrom(...QUEUES),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      by: fc.constantFrom(0, 1, 5, 30),
    }),
  },
);

const limits: fc.Arbitrary<WatchedLimits> = fc.record({
  concurrency: fc.integer({ min: 1, max: 4 }),
  concurrencyPerKey: fc.integer({ min: 1, max: 2 }),
  rateLimit: fc.option(
    fc.record({ max: fc.integer({ min: 1, max: 3 }), per: fc.integer({ min: 1, max: 30 }) }),
    { nil: undefined, freq: 2 },
  ),
  maxPending: fc.constantFrom(4, 12, 1_000),
  overflow: fc.constantFrom('reject' as const, 'drop-oldest' as const),
});

const RETRY = { delay: 5, backoff: 'fixed', jitter: 'none' } as const;

const optionsOf = ({ queue, priority, key, dedupe, window, timeout, ...rest }: Spec) => ({
  name: dedupe === undefined ? 'task' : 'deduped',
  queue,
  priority,
  concurrencyKey: key,
  dedupe: dedupe === undefined ? undefined : { key: dedupe, window },
  timeout,
  retry: { ...RETRY, ...rest.policy, attempts: rest.attempts },
});

const knownOf = ({ queue, priority, key, dedupe, delay }: Spec): WatchedTask => ({
  queue,
  priority,
  key,
  dedupeKey: dedupe,
  delay,
});

/** An engine of its own, for a queue that is not to be in the other queues'. */
const anotherMemory = (): EngineFactory => ({
  engine: 'memory',
  create: (setting) => new MemoryEngine(setting),
});

async function play(
  allLimits: Readonly<Record<Queue, WatchedLimits>>,
  actions: readonly Action[],
  areApart: boolean,
): Promise<void> {
  const queues = areApart
    ? { ...allLimits, other: { ...allLimits.other, engine: anotherMemory() } }
    : allLimits;
  const app = await createApp({}, { queues, remember: 10_000 });
  const { clock, runner } = app;
  const watch = new Watch(app, allLimits);
  runner.events.subscribe(({ type }) => (type === 'queued' ? fail() : undefined));
  runner.events.subscribe(async ({ type }) => (type === 'started' ? fail() : undefined));
  const handles: TaskHandle[] = [];
  const requests: Promise<unknown>[] = [];
  const broken: string[] = [];

  const bodyOf = (each: Spec) => {
    let round = 0;
    return (): unknown => {
      const { id, attempt } = currentTask();
      watch.enter(id, attempt);
      const { takes, ends, value } = each.goes[round++ % each.goes.length];
      const fails = (): never => {
        throw value();
      };
      const end = (): void => (ends === 'throws' || ends === 'rejects' ? fails() : undefined);
      switch (ends) {
        case 'adds a task':
          try {
            return add({ ...each, dedupe: undefined, goes: [{ takes, ends: 'returns', value }] });
          } catch (error) {
            return broken.push(String(error));
          }
        case 'never':
          return new Promise(() => undefined);
        case 'resolves twice':
          return thenable((resolve) => [resolve(), resolve(value())]);
        case 'rejects twice':
          return thenable((_, reject) => [reject(value()), reject(value())]);
        case 'throws in then':
          return thenable(fails);
        case 'throws in get then':
          return thrower();
        default:
          return takes === 0 && ends !== 'rejects' ? end() : clock.sleep(takes).then(end);
      }
    };
  };

  /** Adds a task where there is room, and expects to be refused where there is none. */
  const addWith = (each: Spec, add: () => TaskHandle): TaskHandle | undefined => {
    const isFull = watch.pendingIn(each.queue) >= allLimits[each.queue].maxPending;
    const { overflowed, lives } = watch;
    const known = lives.size;
    let handle: TaskHandle | undefined;
    let refusal: unknown;
    try {
      handle = add();
    } catch (error) {
      refusal = error;
    }
    const isNew = lives.size > known;
    const isRefused = refusal instanceof QueueFullError;
    const hasOverflowed = watch.overflowed > overflowed;
    expect({ isNew, isRefused, hasOverflowed, refusal }).toEqual(
      isRefused
        ? { isNew: false, isRefused: isFull, hasOverflowed: false, refusal }
        : { isNew, isRefused: false, hasOverflowed: isNew && isFull, refusal: undefined },
    );
    expect(hasOverflowed && allLimits[each.queue].overflow === 'reject').toBe(false);
    return isNew ? handle : undefined;
  };

  const add = (each: Spec): void => {
    const handle = addWith(each, () =>
      runner.addTask({ ...optionsOf(each), delay: each.delay }, bodyOf(each)),
    );
    if (handle !== undefined) {
      watch.know(handle, knownOf(each));
      handles.push(handle);
    }
  };

  const request = ({ specs, isChained, isCancelled, takes, fails }: Action & { kind: 'request' }) =>
    app.handle(async (tasks) => {
      const chain = tasks.chain();
      const lines = new Map<Queue | undefined, string[]>();
      const [{ queue }] = specs;
      for (const given of specs) {
        // No line goes through two engines.
        const each = areApart && isChained ? { ...given, queue } : given;
        const line = areApart ? each.queue : undefined;
        const behind = lines.get(line) ?? [];
        lines.set(line, behind);
        const handle = addWith(each, () =>
          isChained
            ? chain.addTask(optionsOf(each), bodyOf(each))
            : tasks.addTask(optionsOf(each), bodyOf(each)),
        );
        if (handle !== undefined) {
          watch.know(handle, { ...knownOf(each), delay: 0, behind: [...behind], isChained });
          behind.push(handle.id);
          handles.push(handle);
        }
      }
      if (isCancelled) {
        await handles.at(-1)?.cancel();
      }
      if (takes > 0) {
        await clock.sleep(takes);
      }
      if (fails) {
        throw new Error('the handler fails');
      }
    });

  const act = async (each: Action): Promise<void> => {
    switch (each.kind) {
      case 'add':
        return add(each.spec);
      case 'request':
        requests.push(request(each).catch((error: unknown) => error));
        return;
      case 'cancel':
        await handles[each.nth % Math.max(1, handles.length)]?.cancel();
        return;
      case 'retry': {
        const failed = await runner.list({ status: 'failed' });
        const { id, queue } = failed[each.nth % Math.max(1, failed.length)] ?? {};
        if (id !== undefined && watch.pendingIn(queue) < allLimits[queue as Queue].maxPending) {
          try {
            watch.again((await runner.retry(id)) as TaskHandle);
          } catch (error) {
            if (!(error instanceof QueueFullError)) {
              throw error;
            }
            // The rest of its chain comes with it, and there is no room for all of them.
          }
        }
        return;
      }
      case 'pause':
        await runner.pause(each.queue);
        return watch.setPaused(each.queue, true);
      case 'resume':
        watch.setPaused(each.queue, false);
        return runner.resume(each.queue);
      case 'advance':
        await clock.advance(each.by);
        broken.push(...(await watch.brokenNow()));
        return;
    }
  };

  for (const each of actions) {
    await act(each);
  }
  for (const queue of QUEUES) {
    watch.setPaused(queue, false);
  }
  await runner.resume();
  const idleness = resolutionOf(runner.whenIdle());
  await clock.advance(1e6);
  await Promise.all(requests);
  await clock.advance(1e6);
  expect(idleness.isThere).toBe(true);
  expect([...broken, ...(await watch.brokenInAll())]).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
}

describe('random tasks, requests, cancellations, retries and pauses', () => {
  it.each([
    ['in one engine', false],
    ['in two, each with lines of its own', true],
  ])(
    'P8, P9, P11: limits hold, each task runs and settles once, counters are exact, %s',
    async (_where, areApart) => {
      await fc.assert(
        fc.asyncProperty(
          fc.record({ default: limits, other: limits }),
          fc.array(action, { minLength: 1, maxLength: 60, size: 'max' }),
          (allLimits, actions) => play(allLimits, actions, areApart),
        ),
        { numRuns: Number(process.env.RUNS ?? 100) },
      );
    },
  );
});
