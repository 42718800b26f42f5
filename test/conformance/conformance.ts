/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type {
  BackgroundTasksOptions,
  Outcome,
  TaskEvent,
  TaskFilter,
  TaskHandle,
  TaskInfo,
  TaskOptions,
  TaskRunner,
} from 'nestjs-background-tasks';
import { eventually } from '../support/eventually.js';
import { Api } from './support/api.js';
import { cellOf, type Cell, type EngineName, type Feature } from './matrix.js';
import { Application, RATED_MS } from './support/application.js';
import { inTurn } from './support/book.js';
import type { Jobs } from './support/jobs.js';
import { twoEngines } from './two-engines.js';

/** A store of one test, and the engine on it. */
export interface EngineUnderTest {
  /** `undefined` for the memory of the process. */
  readonly engine: BackgroundTasksOptions['engine'];
  /** Called when the application has closed. */
  dispose(): Promise<void>;
}

/** Timers of Node.js may come a millisecond early; a store counts by a clock of its own. */
const EARLY_MS = 20;

/**
 * P19: what retry, timeout, priority, delay, dedupe, cancel, order, chain and the rest mean. The same
 * on every engine, so nothing here knows which one it is: only public names, methods with
 * `@Background()` and arguments that JSON can hold.
 *
 * @param prepare called before each test: a store with nothing in it
 */
export function conformance(name: EngineName, prepare: () => Promise<EngineUnderTest>): void {
  const differs = (feature: Feature): boolean => isOf(cellOf(feature, name), 'differs');
  const refuses = (feature: Feature): boolean => isOf(cellOf(feature, name), 'refused');

  describe(`P19: the ${name} engine`, () => {
    let under: EngineUnderTest;
    let app: Application;

    beforeEach(async () => {
      under = await prepare();
      app = await Application.start({ engine: under.engine });
    });

    afterEach(async () => {
      await app.close();
      await under.dispose();
    });

    describe('arguments', () => {
      it('passes on what JSON can hold', async () => {
        const value = { list: [1, null, 'ä\u0000'], nested: { is: true } };
        await app.jobs.echo('echo', value);
        await app.runner.whenIdle();
        expect(app.book.started).toEqual([`echo ${JSON.stringify(value)}`]);
      });

      it('runs with what they were when the task was added', async () => {
        const value = { count: 1 };
        const handle = app.runner.addTask({ delay: 50 }, app.jobs.echo, 'then', value);
        if (!differs('arguments')) {
          // In memory they are the caller's own objects.
          value.count = 2;
        }
        await handle.whenSettled();
        expect(app.book.started).toEqual(['then {"count":1}']);
      });
    });

    describe('order', () => {
      it("runs a request's tasks one after the other, in the order added", async () => {
        expect(await app.post('/three')).toBe(201);
        await app.runner.whenIdle();
        expect(app.book.story).toEqual(inTurn('first', 'second', 'third'));
      });

      it('starts what a queue holds in the order added', async () => {
        const tags = Array.from({ length: 20 }, (_, index) => `task ${index}`);
        for (const tag of tags) {
          await app.jobs.single(tag);
        }
        await app.runner.whenIdle();
        expect(app.book.started).toEqual(tags);
      });

      it('runs as many at once as the queue allows, and no more', async () => {
        const tags = ['one', 'two', 'three'];
        tags.forEach((tag) => app.runner.addTask({ queue: 'pair' }, app.jobs.hold, tag));
        await eventually(() => expect(app.book.started.length).toBeGreaterThanOrEqual(2));
        const [first = '', second = ''] = app.book.started;
        app.book.open(first);
        const third = tags.find((tag) => tag !== first && tag !== second) ?? '';
        await app.book.until(third);
        const { story } = app.book;
        expect(story.indexOf(`end ${first}`)).toBeLessThan(story.indexOf(`start ${third}`));
        [second, third].forEach((tag) => app.book.open(tag));
      });

      it('starts no more within a span than the rate limit allows', async () => {
        // Before any is taken: however late bodies begin after that, their distance from it only grows.
        const addedAt = performance.timeOrigin + performance.now();
        const handles = ['a', 'b', 'c', 'd', 'e'].map((tag) =>
          app.runner.addTask({ queue: 'rated' }, app.jobs.note, tag),
        );
        await outcomes(...handles);
        const starts = app.book.entries.filter(({ event }) => event === 'start');
        const [, , third = 0, , fifth = 0] = starts.map(({ at }) => at - addedAt);
        expect(third).toBeGreaterThanOrEqual(RATED_MS - EARLY_MS);
        expect(fifth).toBeGreaterThanOrEqual(2 * RATED_MS - EARLY_MS);
      });
    });

    it('priority: high is taken before normal before low', async () => {
      await app.runner.pause('single');
      for (const priority of ['low', 'normal', 'high', 'low', 'normal', 'high'] as const) {
        app.runner.addTask({ priority }, app.jobs.single, priority);
      }
      await app.untilQueued('single', 6);
      await app.runner.resume('single');
      await app.runner.whenIdle();
      expect(app.book.started).toEqual(['high', 'high', 'normal', 'normal', 'low', 'low']);
    });

    describe('retry', () => {
      type Attempted = (jobs: Jobs, runner: TaskRunner) => TaskHandle;
      it.each<[string, Attempted, object, number[]]>([
        [
          'counts attempts from 1 and completes with the one that works',
          (jobs, runner) => runner.addTask(jobs.flaky, 'it', 2),
          { status: 'completed', attempts: 3 },
          [1, 2, 3],
        ],
        [
          'fails with the last error when the attempts are used up',
          (jobs, runner) => runner.addTask(jobs.flaky, 'it', 9),
          { status: 'failed', attempts: 3, error: { message: 'attempt 3 failed' } },
          [1, 2, 3],
        ],
        [
          'has one attempt where the call says so',
          (jobs, runner) => runner.addTask({ retry: false }, jobs.flaky, 'it', 9),
          { status: 'failed', attempts: 1 },
          [1],
        ],
        [
          'gives up at once on an UnrecoverableError',
          (jobs, runner) => runner.addTask(jobs.hopeless, 'it'),
          { status: 'failed', attempts: 1 },
          [1],
        ],
        [
          'asks retryIf',
          (jobs, runner) => runner.addTask(jobs.picky, 'it', ['passing', 'final']),
          { status: 'failed', attempts: 2 },
          [1, 2],
        ],
      ])('%s', async (_, add, outcome, attempts) => {
        expect(await add(app.jobs, app.runner).whenSettled()).toMatchObject(outcome);
        expect(app.book.of('it').map(({ attempt }) => attempt)).toEqual(attempts);
      });

      it('waits between attempts as the policy says', async () => {
        await app.runner.addTask(app.jobs.backingOff, 'growing').whenSettled();
        const [first = 0, second = 0, third = 0] = app.book.of('growing').map(({ at }) => at);
        expect(second - first).toBeGreaterThanOrEqual(60 - EARLY_MS);
        expect(third - second).toBeGreaterThanOrEqual(180 - EARLY_MS);
      });

      it('waits a fraction of a millisecond, as jitter may have it', async () => {
        const options = { delay: 1.5, retry: { attempts: 2, delay: 0.5, jitter: 'full' } } as const;
        const handle = app.runner.addTask(options, app.jobs.flaky, 'soon', 1);
        expect(await handle.whenSettled()).toMatchObject({ status: 'completed', attempts: 2 });
      });

      it('waits as long as a RetryLaterError asks', async () => {
        await app.runner.addTask(app.jobs.later, 'later').whenSettled();
        const [first = 0, second = 0] = app.book.of('later').map(({ at }) => at);
        expect(second - first).toBeGreaterThanOrEqual(100 - EARLY_MS);
      });

      it.each([
        [true, 5],
        [false, 2],
      ])('O15: waits longer after errors only, with usesAttempt: %s', async (uses, attempts) => {
        const options = { retry: { attempts } };
        const handle = app.runner.addTask(options, app.jobs.wishes, `w${uses}`, uses);
        expect(await handle.whenSettled()).toMatchObject({ status: 'completed', attempts: 5 });
        const delays = app.events.flatMap((event) =>
          event.type === 'retrying' ? event.delayMs : [],
        );
        expect(delays).toEqual([10, 10, 10, 30]);
      });

      it('holds no slot while it waits', async () => {
        const options = { queue: 'single', retry: { attempts: 2, delay: '2s' as const } };
        app.runner.addTask({ ...options }, app.jobs.flaky, 'waiting', 1);
        await app.book.until('waiting');
        await app.runner.addTask(app.jobs.single, 'meanwhile').whenSettled();
        expect(app.book.of('waiting')).toHaveLength(1);
      });
    });

    describe('timeout', () => {
      it('aborts the attempt, counts it as failed, and retries', async () => {
        const handle = app.runner.addTask(app.jobs.slowOnce, 'slow');
        expect(await handle.whenSettled()).toMatchObject({ status: 'completed', attempts: 2 });
        expect(app.book.of('slow', 'aborted').map(({ attempt }) => attempt)).toEqual([1]);
      });

      it('fails with a TaskTimeoutError after the last attempt', async () => {
        const options = { timeout: 40, retry: false } as const;
        const handle = app.runner.addTask(options, app.jobs.hold, 'never opened');
        const error = { code: 'BGT_TIMEOUT' };
        expect(await handle.whenSettled()).toMatchObject({ status: 'failed', attempts: 1, error });
      });
    });

    it('delay: a task starts no earlier, and holds up nothing else', async () => {
      const addedAt = performance.timeOrigin + performance.now();
      const delayed = app.runner.addTask({ delay: 400 }, app.jobs.single, 'delayed');
      const other = app.runner.addTask(app.jobs.single, 'other');
      await outcomes(delayed, other);
      expect(app.book.started).toEqual(['other', 'delayed']);
      const startedAt = app.book.of('delayed')[0]?.at ?? 0;
      expect(startedAt - addedAt).toBeGreaterThanOrEqual(400 - EARLY_MS);
    });

    describe('dedupe', () => {
      it('is one run for calls with one key, until it settles', async () => {
        const first = app.runner.addTask(app.jobs.once, 'key');
        await app.book.until('key');
        const second = app.runner.addTask(app.jobs.once, 'key');
        const other = app.runner.addTask(app.jobs.once, 'other key');
        // A shared store finds the other one only when this one is to be stored.
        const duplicate = differs('dedupe') ? second : undefined;
        const outcome = await duplicate?.whenSettled();
        expect(outcome ?? second.id).toEqual(
          differs('dedupe') ? { status: 'dropped', reason: 'duplicate' } : first.id,
        );
        expect(other.id).not.toBe(first.id);
        app.book.open('key');
        app.book.open('other key');
        await outcomes(first, second, other);
        expect(app.book.of('key')).toHaveLength(1);

        await app.runner.addTask(app.jobs.once, 'key').whenSettled();
        expect(app.book.of('key')).toHaveLength(2);
      });

      it('counts a failed task that runs once more', async () => {
        const options = { queue: 'single', dedupe: { key: 'x' } };
        const failed = app.runner.addTask(options, app.jobs.hopeless, 'again');
        await failed.whenSettled();
        await app.runner.pause('single');
        const again = await app.runner.retry(failed.id);
        await app.untilQueued('single', 1);
        const second = app.runner.addTask(options, app.jobs.hopeless, 'beside it');
        const duplicate = differs('dedupe') ? second : undefined;
        const outcome = await duplicate?.whenSettled();
        await app.runner.resume('single');
        expect(await again?.whenSettled()).toMatchObject({ status: 'failed' });
        expect(outcome ?? second.id).toEqual(
          differs('dedupe') ? { status: 'dropped', reason: 'duplicate' } : failed.id,
        );
        await app.runner.addTask(options, app.jobs.hopeless, 'next').whenSettled();
        expect(app.book.started).toEqual(['again', 'again', 'next']);
      });

      it('drops a failed task that is to run once more beside another', async () => {
        const options = { dedupe: { key: 'x' } };
        const failed = app.runner.addTask(options, app.jobs.hopeless, 'failed');
        await failed.whenSettled();
        const other = app.runner.addTask({ ...options, delay: '1h' }, app.jobs.hopeless, 'other');
        // On its way to a store it is not delayed yet, and holds no key.
        await eventually(() => expect(other.status).toBe('delayed'));
        const again = await app.runner.retry(failed.id);
        expect(await again?.whenSettled()).toEqual({ status: 'dropped', reason: 'duplicate' });
        expect(await app.runner.get(failed.id)).toMatchObject({ status: 'dropped' });
        expect(await other.cancel()).toBe(true);
        expect(app.book.started).toEqual(['failed']);
      });

      it.each([
        ['waits', '1h'],
        ['runs', 0],
      ] as const)('D11: is free as soon as the task that %s is cancelled', async (_how, delay) => {
        const window = refuses('dedupeWindow') ? {} : { window: '1h' as const };
        const options = { dedupe: { key: 'x', ...window } };
        const first = app.runner.addTask({ ...options, delay }, app.jobs.hold, 'first');
        const status = delay === 0 ? 'running' : 'delayed';
        await eventually(async () =>
          expect(await app.runner.get(first.id)).toMatchObject({ status }),
        );
        expect(await first.cancel()).toBe(true);
        expect(await first.whenSettled()).toMatchObject({ status: 'cancelled' });
        app.book.open('next');
        const next = app.runner.addTask(options, app.jobs.hold, 'next');
        expect(await next.whenSettled()).toMatchObject({ status: 'completed' });
      });

      it('D11: stays taken by a task that failed, until its window ends', async () => {
        if (refuses('dedupeWindow')) {
          return;
        }
        const options = { dedupe: { key: 'x', window: '1h' as const } };
        const first = app.runner.addTask(options, app.jobs.hopeless, 'first');
        await first.whenSettled();
        const second = app.runner.addTask(options, app.jobs.hopeless, 'second');
        await second.whenSettled();
        expect(app.book.started).toEqual(['first']);
      });

      it('D12: with `again`, a change during the run makes one more run, with the latest arguments', async () => {
        if (refuses('dedupeAgain')) {
          return;
        }
        const options = { dedupe: { key: 'x', again: true } };
        const add = (tag: string): TaskHandle => app.runner.addTask(options, app.jobs.hold, tag);
        const first = add('first');
        await app.book.until('first');
        const changes = ['second', 'third', 'fourth'].map(add);
        await app.untilQueued('default', 1);
        app.book.open('first');
        app.book.open('fourth');
        await outcomes(first, ...changes);
        await app.runner.whenIdle();
        expect(app.book.started).toEqual(['first', 'fourth']);
        app.book.open('later');
        expect(await add('later').whenSettled()).toMatchObject({ status: 'completed' });
      });

      it('D12: with `again`, a change before the first attempt gives it its arguments', async () => {
        if (refuses('dedupeAgain')) {
          return;
        }
        const options = { queue: 'single', dedupe: { key: 'x', again: true } };
        await app.runner.pause('single');
        const first = app.runner.addTask(options, app.jobs.note, 'first');
        const second = app.runner.addTask(options, app.jobs.note, 'second');
        await eventually(() => expect(second.status).toBe('dropped'));
        await app.runner.resume('single');
        await outcomes(first, second);
        expect(app.book.started).toEqual(['second']);
      });
    });

    describe('an option that the engine refuses', () => {
      const OPTIONS = [
        ['concurrencyKey', { concurrencyKey: 'x' }],
        ['dedupeWindow', { dedupe: { key: 'x', window: '1h' } }],
        ['dedupeAgain', { dedupe: { key: 'x', again: true } }],
      ] as const;

      it.each(OPTIONS)('P19: is refused when the task is added: %s', async (feature, options) => {
        const added = await resultOf(() =>
          app.runner.addTask(options, app.jobs.note, 'added').whenSettled(),
        );
        expect(added).toBe(refuses(feature) ? 'BGT_UNSUPPORTED_OPTION' : 'done');
      });

      it("P19: is refused at start-up: overflow: 'drop-oldest'", async () => {
        await app.close();
        const started = await resultOf(async () => {
          const queues = { small: { overflow: 'drop-oldest' } } as const;
          app = await Application.start({ engine: under.engine, queues });
        });
        expect(started).toBe(refuses('overflow') ? 'BGT_INVALID_OPTION' : 'done');
      });
    });

    it('P8: concurrency of all processes is honoured or refused at start-up', async () => {
      await app.close();
      const started = await resultOf(async () => {
        const queues = { single: { concurrency: { each: 5, all: 1 } } };
        app = await Application.start({ engine: under.engine, queues });
        const handles = ['first', 'second'].map((tag) =>
          app.runner.addTask({ queue: 'single' }, app.jobs.hold, tag),
        );
        await app.book.until('first');
        app.book.open('second');
        app.book.open('first');
        await outcomes(...handles);
        expect(app.book.story).toEqual(inTurn('first', 'second'));
      });
      expect(started).toBe(refuses('concurrencyOfAll') ? 'BGT_INVALID_OPTION' : 'done');
    });

    describe('waitForEnd', () => {
      it('D17: keeps slot and next attempt until the body has ended', async () => {
        const options = { timeout: 40, waitForEnd: true, retry: { attempts: 2, delay: 0 } };
        const deaf = app.runner.addTask(options, app.jobs.deaf, 'deaf');
        await app.book.until('deaf', 'aborted');
        const other = app.runner.addTask(app.jobs.single, 'other');
        await app.untilQueued('single', 1);
        expect(app.book.started).toEqual(['deaf']);
        app.book.open('deaf');
        expect(await deaf.whenSettled()).toMatchObject({ status: 'completed', attempts: 2 });
        await other.whenSettled();
        expect(app.book.story.slice(0, 3)).toEqual(['start deaf', 'aborted deaf', 'end deaf']);
      });

      it('D17: settles as cancelled once the body has ended', async () => {
        const deaf = app.runner.addTask({ waitForEnd: true }, app.jobs.deaf, 'deaf');
        await app.book.until('deaf');
        expect(await deaf.cancel()).toBe(true);
        await app.book.until('deaf', 'aborted');
        expect(deaf.status).toBe('running');
        app.book.open('deaf');
        expect(await deaf.whenSettled()).toEqual({ status: 'cancelled', attempts: 1 });
      });
    });

    it('P12: a queue that is full refuses one task more, and takes others again when there is room', async () => {
      await app.runner.pause('small');
      const first = app.runner.addTask({ queue: 'small' }, app.jobs.note, 'first');
      const second = app.runner.addTask({ queue: 'small' }, app.jobs.note, 'second');
      const addOne = (): TaskHandle =>
        app.runner.addTask({ queue: 'small' }, app.jobs.note, 'third');
      expect(addOne).toThrow(expect.objectContaining({ code: 'BGT_QUEUE_FULL' }));
      await app.untilQueued('small', 2);
      expect(addOne).toThrow(expect.objectContaining({ code: 'BGT_QUEUE_FULL' }));
      await app.runner.resume('small');
      await outcomes(first, second);
      await eventually(() => addOne());
      await app.runner.whenIdle();
      // The first two were on their way to the store side by side.
      expect(app.book.started.toSorted()).toEqual(['first', 'second', 'third']);
    });

    describe('cancel', () => {
      it.each<[string, TaskOptions]>([
        ['waits', { queue: 'single' }],
        ['is delayed', { delay: '1h' }],
      ])('keeps a task from running that %s', async (_how, options) => {
        await app.runner.pause('single');
        const handle = app.runner.addTask(options, app.jobs.note, 'cancelled');
        expect(await handle.cancel()).toBe(true);
        expect(await handle.whenSettled()).toEqual({ status: 'cancelled', attempts: 0 });
        await app.runner.resume('single');
        await app.runner.addTask(app.jobs.single, 'next').whenSettled();
        expect(app.book.started).toEqual(['next']);
      });

      it('aborts the signal of a running one, for good, and has nothing to do when it has settled', async () => {
        const options = { retry: { attempts: 3, delay: 1 } };
        const handle = app.runner.addTask(options, app.jobs.hold, 'running');
        await app.book.until('running');
        expect(await app.runner.cancel(handle.id)).toBe(true);
        expect(await handle.whenSettled()).toEqual({ status: 'cancelled', attempts: 1 });
        await app.book.until('running', 'aborted');
        expect(app.book.of('running')).toHaveLength(1);
        expect(await handle.cancel()).toBe(false);
      });
    });

    it('P2: a task that is added while the answer streams waits for those before it', async () => {
      const response = await app.open('/stream/slow-first');
      const late = app.get(Api).tasks?.addTask(app.jobs.note, 'late');
      await response.end();
      await app.book.until('first');
      await app.runner.addTask(app.jobs.note, 'of nobody').whenSettled();
      expect(late?.status).toBe('queued');
      app.book.open('first');
      await late?.whenSettled();
      expect(app.book.started).toEqual(['first', 'of nobody', 'second', 'third', 'late']);
    });

    describe('cancel before the response has closed', () => {
      it.each([
        ['lets the rest of the request run', 'plain', 0, ['second', 'third'], 'completed'],
        ['lets it run at once, whatever delay it had', 'late-first', 0, ['third'], 'dropped'],
        ['drops the rest of its chain', 'chain', 1, ['first'], 'dropped'],
        ["drops the rest with onFailure: 'stop'", 'stop', 0, [], 'dropped'],
      ])('%s', async (_, how, index, started, next) => {
        if (how === 'stop') {
          await app.close();
          app = await Application.start({ engine: under.engine, request: { onFailure: 'stop' } });
        }
        const response = await app.open(`/stream/${how === 'stop' ? 'plain' : how}`);
        const { handles } = app.get(Api);
        expect(await handles[index]?.cancel()).toBe(true);
        await response.end();
        await app.runner.whenIdle();
        expect(app.book.started).toEqual(started);
        expect(await handles[index]?.whenSettled()).toEqual({ status: 'cancelled', attempts: 0 });
        const outcome = await handles[index + 1]?.whenSettled();
        expect(outcome).toMatchObject({
          status: next,
          ...(next === 'dropped' && { reason: 'predecessor-failed' }),
        });
      });

      it('lets the rest of the request run at once where it waits for its delay already', async () => {
        const response = await app.open('/stream/late-second');
        const [first, second] = app.get(Api).handles;
        await response.end();
        await first?.whenSettled();
        expect(await second?.cancel()).toBe(true);
        await app.runner.whenIdle();
        expect(app.book.started).toEqual(['first', 'third']);
      });
    });

    describe('chain', () => {
      const DROPPED = { status: 'dropped', reason: 'predecessor-failed' };
      const COMPLETED = { status: 'completed' };

      it.each([
        ['has completed, retries included', 1, COMPLETED, ['first', 'first', 'second', 'third']],
        ['failed, not at all', 9, DROPPED, ['first', 'first', 'first']],
      ])('starts each when the one before %s', async (_, failures, next, started) => {
        const chain = app.runner.chain();
        const handles = [
          chain.addTask(app.jobs.flaky, 'first', failures),
          chain.addTask(app.jobs.note, 'second'),
          chain.addTask(app.jobs.note, 'third'),
        ];
        const [first, ...others] = await outcomes(...handles);
        expect(first).toMatchObject({ attempts: Math.min(failures + 1, 3) });
        expect(others).toMatchObject([next, next]);
        expect(app.book.started).toEqual(started);
      });

      it('is stored as one, and what is added later is refused', async () => {
        const chain = app.runner.chain();
        const first = chain.addTask(app.jobs.note, 'first');
        const second = chain.addTask(app.jobs.note, 'second');
        await outcomes(first, second);
        const code = await resultOf(() => chain.addTask(app.jobs.note, 'third').whenSettled());
        const isGrown = differs('chainGrows');
        expect([code, app.book.started.length]).toEqual([
          isGrown ? 'done' : 'BGT_CHAIN',
          isGrown ? 3 : 2,
        ]);
      });

      it.each(['before the next was added', 'while they wait'])(
        'drops what comes after a task that was cancelled %s',
        async (when) => {
          const chain = app.runner.chain();
          const first = chain.addTask({ delay: '1h' }, app.jobs.note, 'first');
          const early = when === 'while they wait' ? undefined : first.cancel();
          const others = ['second', 'third'].map((tag) => chain.addTask(app.jobs.note, tag));
          expect(await (early ?? first.cancel())).toBe(true);
          expect(await outcomes(first, ...others)).toEqual([
            { status: 'cancelled', attempts: 0 },
            DROPPED,
            DROPPED,
          ]);
          expect(app.book.started).toEqual([]);
        },
      );

      it.each(['cancelled', 'dropped'])(
        'drops what comes after a task of its request that was %s',
        async (how) => {
          expect(await app.post(`/gap/${how}`)).toBe(201);
          await app.runner.whenIdle();
          expect(app.book.started).toEqual(['before the gap', 'beside the chain']);
          expect(app.events.flatMap(reasonOf)).toContain('predecessor-failed');
        },
      );

      it('waits, behind a duplicate, for what is before that', async () => {
        const unique = { dedupe: { key: 'x' } };
        const other = app.runner.addTask(unique, app.jobs.hold, 'x');
        await app.book.until('x');
        const chain = app.runner.chain();
        const first = chain.addTask(app.jobs.hold, 'first');
        const duplicate = chain.addTask(unique, app.jobs.hold, 'x');
        const last = chain.addTask(app.jobs.note, 'last');
        await app.book.until('first');
        // What is added later, and waits for nobody, has run by then.
        await app.runner.addTask(app.jobs.note, 'beside the chain').whenSettled();
        app.book.open('first');
        app.book.open('x');
        expect(await last.whenSettled()).toMatchObject({ status: 'completed' });
        await outcomes(other, first, duplicate);
        expect(app.book.started).toEqual(['x', 'first', 'beside the chain', 'last']);
        expect(app.book.of('last')[0]?.at).toBeGreaterThanOrEqual(
          app.book.of('first', 'end')[0]?.at ?? Number.POSITIVE_INFINITY,
        );
      });

      it('drops, behind a duplicate, what comes after a task that failed', async () => {
        app.runner.addTask({ dedupe: { key: 'x' } }, app.jobs.hold, 'x');
        await app.book.until('x');
        expect(await app.post('/duplicate')).toBe(201);
        await app.book.until('breaks');
        await app.untilQueued('default', 0);
        app.book.open('x');
        await app.runner.whenIdle();
        expect(app.book.started).toEqual(['x', 'breaks']);
      });

      it('leaves the other tasks of its request alone', async () => {
        await app.post('/chain');
        await app.runner.whenIdle();
        expect(app.book.started).toEqual(['breaks', 'breaks', 'breaks', 'beside the chain']);
      });
    });

    it.each([
      ['well', 201, ['success', 'always']],
      ['badly', 500, ['failure', 'always']],
    ])('when: what is for a handler that ended %s runs', async (how, status, started) => {
      expect(await app.post(`/ends/${how}`)).toBe(status);
      await app.runner.whenIdle();
      expect(app.book.started).toEqual(started);
    });

    describe('status', () => {
      it('shows a task from its start to its end', async () => {
        const handle = app.runner.addTask(app.jobs.report, 'shown');
        const { id } = handle;
        await app.book.until('shown');
        expect(await app.runner.get(id)).toMatchObject({
          id,
          name: 'Jobs.report',
          queue: 'default',
          status: 'running',
          args: ['shown'],
          attempts: 1,
          maxAttempts: 1,
          progress: 50,
        });
        expect(handle.status).toBe('running');
        app.book.open('shown');
        await handle.whenSettled();
        expect(await app.runner.get(id)).toMatchObject({
          id,
          status: 'completed',
          result: { tag: 'shown' },
          outcome: { result: { tag: 'shown' } },
        });
        expect(await handle.whenSettled()).toMatchObject({ result: { tag: 'shown' } });
      });

      it('lists by status, name and queue', async () => {
        const held = app.runner.addTask(app.jobs.hold, 'held');
        const delayed = app.runner.addTask({ delay: '1h' }, app.jobs.note, 'delayed');
        const failed = app.runner.addTask(app.jobs.hopeless, 'failed');
        await Promise.all([failed.whenSettled(), app.book.until('held')]);
        const idsOf = async (filter: Parameters<typeof app.runner.list>[0]): Promise<string[]> =>
          (await app.runner.list(filter)).map(({ id }) => id);
        expect(await idsOf({ status: 'running' })).toEqual([held.id]);
        expect(await idsOf({ status: 'delayed' })).toEqual([delayed.id]);
        expect(await idsOf({ status: 'failed' })).toEqual([failed.id]);
        expect(await idsOf({ name: 'Jobs.note' })).toEqual([delayed.id]);
        expect(await idsOf({ queue: 'single' })).toEqual([]);
        app.book.open('held');
        await delayed.cancel();
      });

      it('tells and counts what happens, in the order it happens', async () => {
        const good = app.runner.addTask(app.jobs.flaky, 'good', 1);
        const bad = app.runner.addTask(app.jobs.hopeless, 'bad');
        await outcomes(good, bad);
        const begun = ['added', 'queued', 'started'];
        expect(app.eventsOf(good.id)).toEqual([...begun, 'retrying', 'started', 'completed']);
        expect(app.eventsOf(bad.id)).toEqual([...begun, 'failed']);
        const { queues, tasks } = await app.runner.stats();
        expect(queues['default']).toMatchObject({ completed: 1, failed: 1, retried: 1 });
        expect(tasks['Jobs.flaky']).toMatchObject({ completed: 1, retried: 1 });
      });

      it('forgets a settled task, once, and no other', async () => {
        const done = app.runner.addTask(app.jobs.note, 'done');
        const waiting = app.runner.addTask({ delay: '1h' }, app.jobs.note, 'waiting');
        await done.whenSettled();
        expect(await app.runner.retry(done.id)).toBeUndefined();
        await eventually(async () => expect(await app.runner.forget(done.id)).toBe(true));
        expect(await app.runner.get(done.id)).toBeUndefined();
        expect(await app.runner.forget(done.id)).toBe(false);
        expect(await app.runner.forget(waiting.id)).toBe(false);
        expect(await app.runner.list()).toMatchObject([{ id: waiting.id }]);
        await waiting.cancel();
      });

      it('runs a failed task once more, with the same id', async () => {
        const handle = app.runner.addTask({ retry: false }, app.jobs.flaky, 'again', 1);
        await handle.whenSettled();
        const again = await app.runner.retry(handle.id);
        expect(again?.id).toBe(handle.id);
        expect(await again?.whenSettled()).toMatchObject({ status: 'failed', attempts: 1 });
        expect(app.book.of('again')).toHaveLength(2);
      });
    });

    async function haveFailed(...tags: string[]): Promise<void> {
      for (const tag of tags) {
        await app.runner.addTask(app.jobs.hopeless, tag).whenSettled();
      }
    }

    function listed(filter: TaskFilter = {}): Promise<TaskInfo[]> {
      return app.runner.list({ ...filter, status: 'failed' });
    }

    /** A store tells of an end before it has put it away. */
    function untilListed(count: number): Promise<void> {
      return eventually(async () => expect(await listed()).toHaveLength(count));
    }

    describe('dead letters', () => {
      it('keeps what failed for good: call, error, attempts and times', async () => {
        const before = Date.now();
        const handle = app.runner.addTask(app.jobs.flaky, 'flaky', 9);
        await handle.whenSettled();
        await untilListed(1);
        const [info] = await listed();
        expect(info).toMatchObject({
          id: handle.id,
          name: 'Jobs.flaky',
          queue: 'default',
          status: 'failed',
          args: ['flaky', 9],
          attempts: 3,
          maxAttempts: 3,
        });
        expect(info?.addedAt).toBeGreaterThanOrEqual(before - 1);
        expect(info?.settledAt).toBeGreaterThanOrEqual(before - 1);
        expect(await app.runner.get(handle.id)).toMatchObject({ id: handle.id, status: 'failed' });
        expect(await app.runner.counts()).toMatchObject({ failed: 1 });
      });

      it('shows of an error its name, message, code, stack and causes, and nothing else', async () => {
        await app.runner.addTask(app.jobs.secretive, 'secretive').whenSettled();
        await untilListed(1);
        const [info] = await listed();
        const text = JSON.stringify(info);
        expect(text).not.toContain('token');
        const { error } = (info as unknown as { outcome: { error: Record<string, unknown> } })
          .outcome;
        expect(error).toMatchObject({
          name: 'TypeError',
          message: 'no answer',
          code: 'E_NO_ANSWER',
          causes: ['Error: the line is dead'],
          stack: expect.stringContaining('jobs.'),
        });
        expect(Object.keys(error).toSorted().join()).toBe('causes,code,message,name,stack');
      });

      it('lists them page by page, the latest first, whatever is run again in between', async () => {
        await haveFailed('a', 'b', 'c', 'd', 'e');
        await untilListed(5);
        const first = await listed({ limit: 2 });
        expect(tagsOf(first)).toEqual(['e', 'd']);
        await app.runner.forget(first[1]?.id ?? '');
        const second = await listed({ limit: 2, after: first[1]?.cursor });
        expect(tagsOf(second)).toEqual(['c', 'b']);
        const third = await listed({ limit: 2, after: second[1]?.cursor });
        expect(tagsOf(third)).toEqual(['a']);
        expect(await listed({ after: third[0]?.cursor })).toEqual([]);
      });

      it('finds them by name, queue, time and error', async () => {
        await haveFailed('first');
        await app.runner.addTask({ queue: 'single' }, app.jobs.secretive, 'second').whenSettled();
        await untilListed(2);
        const [second, first] = await listed();
        expect(tagsOf(await listed({ name: 'Jobs.hopeless' }))).toEqual(['first']);
        expect(tagsOf(await listed({ queue: 'single' }))).toEqual(['second']);
        expect(tagsOf(await listed({ error: 'E_NO_ANSWER' }))).toEqual(['second']);
        expect(tagsOf(await listed({ error: 'UnrecoverableError' }))).toEqual(['first']);
        expect(tagsOf(await listed({ error: 'no answ' }))).toEqual(['second']);
        expect(await listed({ before: first?.settledAt })).toEqual([]);
        expect(await listed({ before: (second?.settledAt ?? 0) + 1 })).toHaveLength(2);
      });

      it('runs all again that fit, the one that failed first before the others', async () => {
        await haveFailed('a', 'b', 'c');
        await app.runner.addTask({ queue: 'single' }, app.jobs.hopeless, 'other').whenSettled();
        await untilListed(4);
        await app.runner.pause();
        expect(await app.runner.retryAll({ queue: 'default' })).toBe(3);
        expect(tagsOf(await listed())).toEqual(['other']);
        const started = app.book.started.length;
        await app.runner.resume();
        await eventually(() => expect(app.book.started.length).toBe(started + 3));
        expect(app.book.started.slice(started).toSorted()).toEqual(['a', 'b', 'c']);
        await untilListed(4); // they fail again
      });

      it('runs each again once, and refuses nothing, where several ask at a time', async () => {
        await haveFailed('a', 'b', 'c');
        await untilListed(3);
        await app.runner.pause();
        const asked = await Promise.all([1, 2, 3].map(() => app.runner.retryAll()));
        expect(asked.reduce((sum, count) => sum + count)).toBe(3);
        const started = app.book.started.length;
        await app.runner.resume();
        await untilListed(3);
        expect(app.book.started.slice(started).toSorted()).toEqual(['a', 'b', 'c']);
      });

      it('runs again or forgets, where one is asked for beside the other', async () => {
        await haveFailed('a', 'b');
        await untilListed(2);
        await app.runner.pause();
        const [again, forgotten] = await Promise.all([
          app.runner.retryAll(),
          app.runner.forgetAll(),
        ]);
        expect(again + forgotten).toBeGreaterThanOrEqual(2);
      });

      it.each(['', 'x'.repeat(10_000), 'a\0b', undefined, ['a'], {}])(
        'has none with an id that cannot be one, of a client: %j',
        async (id) => {
          const { runner } = app;
          const asked = [runner.get(id as never), runner.retry(id as never)];
          expect(await Promise.all(asked)).toEqual([undefined, undefined]);
          expect(await runner.forget(id as never)).toBe(false);
          expect(await runner.cancel(id as never)).toBe(false);
        },
      );

      it('runs so many a second again as it is told', async () => {
        await haveFailed('a', 'b', 'c', 'd');
        await untilListed(4);
        const startedAt = performance.now();
        expect(await app.runner.retryAll({}, { rate: 20 })).toBe(4);
        expect(performance.now() - startedAt).toBeGreaterThanOrEqual(200 - EARLY_MS);
        await untilListed(4);
      });

      it('forgets all that fit', async () => {
        await haveFailed('a', 'b');
        await app.runner.addTask(app.jobs.secretive, 'kept').whenSettled();
        await untilListed(3);
        expect(await app.runner.forgetAll({ name: 'Jobs.hopeless' })).toBe(2);
        expect(tagsOf(await listed())).toEqual(['kept']);
        expect(await app.runner.forgetAll()).toBe(1);
        expect(await app.runner.retryAll()).toBe(0);
      });

      it('D14: brings back the rest of a chain with the task that broke it', async () => {
        const chain = app.runner.chain();
        chain.addTask(app.jobs.note, 'a');
        const broken = chain.addTask(app.jobs.failsOnce, 'b');
        const last = [chain.addTask(app.jobs.note, 'c'), chain.addTask(app.jobs.note, 'd')];
        const ends = await outcomes(broken, ...last);
        expect(ends.map(({ status }) => status)).toEqual(['failed', 'dropped', 'dropped']);
        await untilListed(1);
        expect(await app.runner.retryAll()).toBe(1);
        await app.runner.whenIdle();
        expect(app.book.started).toEqual(['a', 'b', 'b', 'c', 'd']);
        expect(await app.runner.get(last[1]?.id ?? '')).toMatchObject({ status: 'completed' });
      });

      it('lists and runs them again after a restart', async () => {
        await haveFailed('a', 'b');
        await untilListed(2);
        await app.close();
        app = await Application.start({ engine: under.engine });
        const kept = differs('deadLetters') ? [] : ['b', 'a'];
        expect(tagsOf(await listed())).toEqual(kept);
        expect(await app.runner.retryAll()).toBe(kept.length);
        await untilListed(kept.length); // they fail again
      });

      it('refuses a filter that means nothing', async () => {
        await expect(app.runner.list({ error: 'x' })).rejects.toThrow("needs status: 'failed'");
        for (const after of ['nowhere', `1-${'x'.repeat(10_000)}`, '1-a\0b']) {
          await expect(listed({ after })).rejects.toThrow('filter.after');
        }
        await expect(app.runner.retryAll({}, { rate: 0 })).rejects.toThrow('options.rate');
        await expect(app.runner.forgetAll({ nam: 'x' } as never)).rejects.toThrow('filter.nam');
      });
    });

    describe('results', () => {
      it('are those of the attempt that completes, and stay with the task', async () => {
        const handle = app.runner.addTask({ retry: { attempts: 2 } }, app.jobs.resulting, 'r', 1);
        expect(await handle.whenSettled()).toMatchObject({ status: 'completed', result: 'end 2' });
        await app.close();
        app = await Application.start({ engine: under.engine });
        const { result } = (await app.runner.get(handle.id)) ?? {};
        expect(result).toBe(differs('result') ? 'end 2' : undefined);
      });

      it.each([
        ['a date', { at: new Date(0) }],
        ['a long text', 'x'.repeat(70_000)],
      ])('fail the attempt where they cannot be kept: %s', async (_what, value) => {
        app.jobs.value = value;
        const outcome = await app.runner.addTask(app.jobs.resulting, 'r', 0).whenSettled();
        expect(outcome).toMatchObject({ status: 'failed', error: { code: 'BGT_RESULT' } });
      });
    });

    describe('schedules', () => {
      const EVERY = { every: 50, overlap: 'allow' } as const;

      it('add a task at each tick until they are removed', async () => {
        await app.runner.addSchedule({ name: 'often', ...EVERY }, app.jobs.note, 'tick');
        await app.book.until('tick', 'end', 3);
        const [{ nextAt = 0, ...schedule } = {}] = await app.runner.listSchedules();
        expect(schedule).toMatchObject({ name: 'often', queue: 'default', ...EVERY });
        expect(nextAt % EVERY.every).toBe(0);
        expect(await app.runner.removeSchedule('often')).toBe(true);
        expect(await app.runner.removeSchedule('often')).toBe(false);
        expect(await app.runner.listSchedules()).toEqual([]);
      });

      it('skip a tick while the task of an earlier one has not settled', async () => {
        const { every } = EVERY;
        await app.runner.addSchedule({ name: 'slow', every }, app.jobs.hold, 'slow');
        await app.book.until('slow');
        await app.runner.addSchedule({ name: 'often', ...EVERY }, app.jobs.note, 'tick');
        await app.book.until('tick', 'end', 3);
        expect(app.book.of('slow')).toHaveLength(1);
        app.book.open('slow');
        await app.book.until('slow', 'end', 2);
        await app.runner.removeSchedule('slow');
        await app.runner.removeSchedule('often');
      });

      it('go on where somebody cancels and forgets their tasks', async () => {
        await app.runner.addSchedule({ name: 'often', every: 50 }, app.jobs.hold, 'tick');
        for (const starts of [1, 2, 3]) {
          await app.book.until('tick', 'start', starts);
          const [running] = await app.runner.list({ status: 'running' });
          const id = running?.id ?? '';
          await app.runner.cancel(id);
          await eventually(async () => expect(await app.runner.forget(id)).toBe(true));
        }
        await app.runner.removeSchedule('often');
        expect(app.book.of('tick').length).toBeGreaterThanOrEqual(3);
      });

      it('P13: are refused by an application that has closed, as its tasks are', async () => {
        const { runner, jobs } = app;
        await app.close();
        const refusal = expect.objectContaining({ code: 'BGT_SHUT_DOWN' });
        const adding = runner.addSchedule({ name: 'often', ...EVERY }, jobs.note, 'tick');
        await expect(adding).rejects.toEqual(refusal);
        expect(() => runner.addTask(jobs.note, 'late')).toThrow(refusal);
        await runner.whenIdle();
        app = await Application.start({ engine: under.engine });
      });

      it('P13: cannot be asked for in a store that has closed', async () => {
        const { runner, jobs } = app;
        await runner.addSchedule({ name: 'rare', every: '1h' }, jobs.note, 'tick');
        await app.close();
        const told = [
          await resultOf(() => runner.removeSchedule('rare')),
          await resultOf(() => runner.listSchedules()),
          await resultOf(() => runner.ping()),
        ];
        expect(new Set(told)).toEqual(
          new Set([differs('schedule') ? 'done' : 'BGT_STORE_UNAVAILABLE']),
        );
        app = await Application.start({ engine: under.engine });
        await app.runner.removeSchedule('rare');
      });

      it('are there after a restart', async () => {
        await app.runner.addSchedule({ name: 'often', ...EVERY }, app.jobs.note, 'tick');
        await app.book.until('tick');
        await app.close();
        app = await Application.start({ engine: under.engine });
        expect(await app.runner.listSchedules()).toHaveLength(differs('schedule') ? 0 : 1);
        if (!differs('schedule')) {
          await app.book.until('tick');
          await app.runner.removeSchedule('often');
        }
      });
    });

    describe('shutdown', () => {
      it('P13: finishes what runs before close() resolves, and what waits if nobody else can', async () => {
        const running = app.runner.addTask({ queue: 'single' }, app.jobs.hold, 'running');
        await app.book.until('running');
        // Two calls of which neither is awaited may overtake each other on PostgreSQL.
        const waiting = app.runner.addTask(app.jobs.single, 'waiting');
        // What ends before the shutdown has begun lets the next one start.
        const draining = app.whenDraining();
        const closed = app.close();
        await draining;
        app.book.open('running');
        await closed;
        expect(await outcomes(running, waiting)).toMatchObject([
          { status: 'completed' },
          { status: differs('shutdown') ? 'abandoned' : 'completed' },
        ]);
        app = await Application.start({ engine: under.engine });
        await app.runner.whenIdle();
        expect(app.book.started).toEqual(differs('shutdown') ? ['waiting'] : []);
      });

      it('P13: aborts what has not ended by the drain timeout, and runs it after the next start or names it as lost', async () => {
        await app.close();
        app = await Application.start({ engine: under.engine, drainTimeout: 100 });
        const running = app.runner.addTask({ queue: 'single' }, app.jobs.hold, 'running');
        // Not before: on PostgreSQL calls of which none waits for the one before may overtake each other.
        await app.book.until('running');
        const waiting = app.runner.addTask(app.jobs.single, 'waiting');
        await app.untilQueued('single', 1);
        await app.close();
        expect(await outcomes(running, waiting)).toEqual([
          { status: 'abandoned', attempts: 1 },
          { status: 'abandoned', attempts: 0 },
        ]);
        expect(app.book.of('running', 'aborted')).toHaveLength(1);
        expect(app.book.started).toEqual(['running']);
        const fate = differs('restart') ? 'was abandoned' : 'runs after the next start';
        expect(app.log.text).toContain(fate);
        app = await Application.start({ engine: under.engine });
        if (!differs('restart')) {
          await app.book.until('running');
          app.book.open('running');
          await app.book.until('waiting', 'end');
        }
      });

      it('P13: abandons what a request in flight has collected and nobody has stored', async () => {
        await app.close();
        app = await Application.start({ engine: under.engine, drainTimeout: 100 });
        const leave = app.begin('/endless');
        await eventually(() => expect(app.get(Api).handles).toHaveLength(1));
        const [collected] = app.get(Api).handles;
        const draining = app.whenDraining();
        const closed = app.close();
        await draining;
        leave(); // the server waits for it
        await closed;
        expect(collected?.status).toBe('abandoned');
        expect(app.eventsOf(collected?.id ?? '')).toEqual(['added', 'abandoned']);
        app = await Application.start({ engine: under.engine });
        await app.runner.whenIdle();
        expect(app.book.started).toEqual([]);
      });
    });
  });
  twoEngines(name, prepare);
}

/** The code of the error that `act` ends with, or `done`. */
async function resultOf(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
    return 'done';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

function isOf(cell: Cell, kind: 'differs' | 'refused'): boolean {
  return typeof cell === 'object' && kind in cell;
}

function reasonOf(event: TaskEvent): string[] {
  return event.type === 'dropped' ? [event.reason] : [];
}

function outcomes(...handles: TaskHandle[]): Promise<Outcome[]> {
  return Promise.all(handles.map((handle) => handle.whenSettled()));
}

function tagsOf(tasks: readonly TaskInfo[]): unknown[] {
  return tasks.map(({ args }) => args[0]);
}
