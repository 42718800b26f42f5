/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { fc } from '../../support/properties.js';
import { Background, type TaskHandle } from '../../../lib/index.js';
import { createApp } from '../support/app.js';

const SIZE = 4;

@Injectable()
class Mailer {
  /** What a run does with its items. */
  run: (ids: number[]) => Promise<void> = () => Promise.resolve();

  @Background({
    batch: { size: SIZE, wait: 10 },
    retry: { attempts: 3, delay: 15, backoff: 'fixed', jitter: 'none' },
  })
  async send(ids: number[]): Promise<void> {
    await this.run(ids);
  }
}

type Action =
  | { readonly kind: 'call'; readonly items: number; readonly priority: 'high' | 'normal' }
  /** The tasks of a request: calls with so many items, or `null` for one that is no call. */
  | { readonly kind: 'request'; readonly tasks: readonly (number | null)[] }
  | { readonly kind: 'cancel'; readonly nth: number }
  | { readonly kind: 'fail' }
  | { readonly kind: 'pause' | 'resume' }
  | { readonly kind: 'advance'; readonly by: number };

const kind = <Kind extends string>(...kinds: Kind[]) => fc.constantFrom(...kinds);

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: kind('call'),
      items: fc.nat(5),
      priority: kind('normal', 'normal', 'high'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind('request'),
      tasks: fc.array(fc.option(fc.integer({ min: 1, max: 3 }), { freq: 4 }), {
        minLength: 1,
        maxLength: 7,
      }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: kind('cancel'), nth: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('fail') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('pause', 'resume', 'resume') }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: kind('advance'), by: fc.constantFrom(0, 3, 8, 40) }),
  },
);

/** A task of a test: what it is called with, and those of its request that were added before it. */
interface Added {
  readonly handle: TaskHandle;
  readonly items: readonly number[];
  readonly behind: readonly TaskHandle[];
}

const isOver = ({ status }: TaskHandle) => ['completed', 'failed', 'cancelled'].includes(status);

async function play(actions: readonly Action[]): Promise<void> {
  const app = await createApp(
    { providers: [Mailer] },
    { queues: { default: { concurrency: 2 } }, remember: 10_000 },
  );
  const { clock, runner, handle: handleRequest } = app;
  const mailer = app.module.get(Mailer);
  const added: Added[] = [];
  const ends = new Map<string, number>();
  const broken: string[] = [];
  const runs: number[][] = [];
  let failures = 0;
  let nextItem = 0;

  runner.events.subscribe(({ type, id }) => {
    if (['completed', 'failed', 'cancelled', 'dropped', 'abandoned'].includes(type)) {
      ends.set(id, (ends.get(id) ?? 0) + 1);
    }
  });

  /** Those before one in its request have ended, or run together with it. */
  const expectTurn = (members: readonly Added[]): void => {
    const together = new Set(members.map(({ handle }) => handle));
    for (const { handle, behind } of members) {
      if (!behind.every((each) => isOver(each) || together.has(each))) {
        broken.push('started before one before it');
      }
      if (handle.status !== 'running') {
        broken.push(`run while ${handle.status}`);
      }
    }
  };

  mailer.run = async (ids) => {
    runs.push(ids);
    const members = added.filter(({ items }) => items.some((item) => ids.includes(item)));
    expectTurn(members);
    if (members.length > 1 && ids.length > SIZE) {
      broken.push('more than fit');
    }
    if (
      ids.join() !==
      members
        .flatMap(({ items }) => items)
        .toSorted((a, b) => ids.indexOf(a) - ids.indexOf(b))
        .join()
    ) {
      broken.push('a call that was split');
    }
    await clock.sleep(5);
    if (failures > 0) {
      failures -= 1;
      throw new Error('no');
    }
  };

  const itemsOf = (count: number) => Array.from({ length: count }, () => nextItem++);

  const act = async (each: Action): Promise<void> => {
    switch (each.kind) {
      case 'call': {
        const items = itemsOf(each.items);
        const { priority } = each;
        added.push({ items, behind: [], handle: runner.addTask({ priority }, mailer.send, items) });
        return;
      }
      case 'request':
        await handleRequest((tasks) => {
          const behind: TaskHandle[] = [];
          for (const count of each.tasks) {
            const items = count === null ? [] : itemsOf(count);
            const before = [...behind];
            const handle: TaskHandle =
              count === null
                ? tasks.addTask(() => expectTurn([{ handle, items, behind: before }]))
                : tasks.addTask(mailer.send, items);
            added.push({ handle, items, behind: before });
            behind.push(handle);
          }
        });
        return;
      case 'cancel': {
        const handle = added[each.nth % Math.max(1, added.length)]?.handle;
        const wasOver = handle !== undefined && isOver(handle);
        const isCancelled = await handle?.cancel();
        if (isCancelled && (wasOver || handle?.status !== 'cancelled')) {
          broken.push('cancelled in vain');
        }
        return;
      }
      case 'fail':
        failures += 1;
        return;
      case 'pause':
        return runner.pause();
      case 'resume':
        return runner.resume();
      case 'advance':
        return clock.advance(each.by);
    }
  };

  for (const each of actions) {
    await act(each);
    const listed = await runner.list({ limit: Number.POSITIVE_INFINITY });
    expect(listed.map(({ id }) => id).toSorted()).toEqual(
      added.map(({ handle }) => handle.id).toSorted(),
    );
  }
  await runner.resume();
  await clock.advance(1e6);
  expect(broken).toEqual([]);
  expect([clock.pendingTimers, ends.size]).toEqual([0, added.length]);
  expect([...ends.values()].every((times) => times === 1)).toBe(true);
  for (const { handle, items } of added) {
    const outcome = await handle.whenSettled();
    for (const item of items) {
      const times = runs.filter((ids) => ids.includes(item)).length;
      expect([item, { attempts: times }]).toMatchObject([
        item,
        { attempts: 'attempts' in outcome ? outcome.attempts : 0 },
      ]);
    }
  }
  const { default: figures } = (await runner.stats()).queues;
  const { completed, failed, cancelled } = figures;
  expect([figures.added, figures.running, figures.pending]).toEqual([added.length, 0, 0]);
  expect(completed + failed + cancelled).toBe(added.length);
}

describe('whatever calls are batched, in and outside of requests, and cancelled', () => {
  it('each is run once an attempt, whole, in its turn, and settles once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 40, size: 'max' }), play),
      { numRuns: 100 },
    );
  });
});
