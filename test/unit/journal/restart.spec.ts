/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { describe, expect, it } from '@jest/globals';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { Background } from 'nestjs-background-tasks';
import { Api } from '../../conformance/support/api.js';
import { Application } from '../../conformance/support/application.js';
import { Deferred } from '../../support/deferred.js';
import {
  close,
  crashImage,
  crashed,
  crashedWaiting,
  noting,
  recordsIn,
  runThrough,
  start,
  temporaryFolder,
  type Noting,
} from './support/machine.js';

const Old = noting({ name: 'Old.work' });
const WITH_OLD = { providers: [Old] };

describe('after a crash', () => {
  it('a running task runs again, as the same attempt and with the same id', async () => {
    let id = '';
    const image = await crashed(({ runner, jobs, book }) => {
      ({ id } = runner.addTask(jobs.hold, 'running'));
      return book.until('running');
    });
    const after = await start(image);
    await after.book.until('running');
    expect(after.book.of('running').map(({ attempt }) => attempt)).toEqual([1]);
    expect(await after.runner.get(id)).toMatchObject({ id, status: 'running' });
  });

  it('settled tasks do not run again', async () => {
    const image = await crashed(async ({ runner, jobs }) => {
      const cancelled = runner.addTask({ delay: '1h' }, jobs.note, 'cancelled');
      await cancelled.cancel();
      const others = [runner.addTask(jobs.note, 'done'), runner.addTask(jobs.hopeless, 'failed')];
      await Promise.all(others.map((handle) => handle.whenSettled()));
      // Their removals are written with whatever is added next.
      await runner.pause();
      await jobs.note('next');
    });
    expect(await recordsIn(image)).toMatchObject([{ args: '["next"]' }]);
  });

  it('a delayed task keeps the time at which it is due', async () => {
    const addedAt = Date.now();
    let later = '';
    const image = await crashed(({ runner, jobs }) => {
      runner.addTask({ delay: 600 }, jobs.note, 'soon');
      later = runner.addTask({ delay: '1h' }, jobs.note, 'later').id;
      return jobs.note('first');
    });
    const after = await start(image);
    expect(await after.runner.get(later)).toMatchObject({ status: 'delayed' });
    await after.book.until('soon');
    const startedAt = after.book.of('soon')[0]?.at ?? 0;
    expect(startedAt - addedAt).toBeGreaterThanOrEqual(598);
  });

  it('a retried task goes on counting its attempts', async () => {
    let id = '';
    const image = await crashed(async ({ runner, jobs, book }) => {
      const retry = { attempts: 3, delay: 500 };
      ({ id } = runner.addTask({ retry }, jobs.flaky, 'flaky', 9));
      await book.until('flaky');
      // Its retry was written by whatever was added later.
      await jobs.note('after');
    });
    const after = await start(image);
    await after.runner.whenIdle();
    expect(after.book.of('flaky').map(({ attempt }) => attempt)).toEqual([2, 3]);
    expect(await after.runner.get(id)).toMatchObject({ status: 'failed', attempts: 3 });
  });

  it('waiting tasks run, with the options of their calls', async () => {
    const image = await crashedWaiting(({ runner, jobs }) => {
      runner.addTask({ priority: 'low', queue: 'single' }, jobs.note, 'low');
      runner.addTask({ priority: 'high', queue: 'single' }, jobs.note, 'high');
      return jobs.note('last');
    });
    const after = await runThrough(image);
    expect(after.book.started.filter((tag) => tag !== 'last')).toEqual(['high', 'low']);
  });

  it('chains go on where they were, and break where they would have broken', async () => {
    let never = '';
    const image = await crashed(async ({ runner, jobs, book }) => {
      const good = runner.chain();
      good.addTask(jobs.note, 'done before');
      good.addTask(jobs.hold, 'held');
      good.addTask(jobs.note, 'last');
      const bad = runner.chain();
      bad.addTask({ delay: 50 }, jobs.hopeless, 'breaks');
      never = bad.addTask(jobs.note, 'never').id;
      await book.until('held');
      // What has settled is written off with whatever is added next.
      await runner.pause();
      await jobs.note('next');
    });
    const after = await start(image);
    await after.book.until('held');
    expect(after.book.started).not.toContain('last');
    after.book.open('held');
    await after.runner.whenIdle();
    expect(after.book.started.toSorted()).toEqual(['breaks', 'held', 'last', 'next']);
    expect(await after.runner.get(never)).toMatchObject({
      outcome: { status: 'dropped', reason: 'predecessor-failed' },
    });
  });

  it('a chain of a request and a task added while the answer left run in order', async () => {
    const image = await crashedWaiting(async (before) => {
      const response = await before.open('/stream/chain');
      before.get(Api).tasks?.addTask(before.jobs.note, 'late');
      await response.end();
      await before.untilQueued('default', 4);
    });
    const after = await runThrough(image);
    expect(after.book.story).toEqual(
      ['first', 'second', 'third', 'late'].flatMap((tag) => [`start ${tag}`, `end ${tag}`]),
    );
  });

  it('the rest of a chain behind a cancelled task is dropped, over two crashes', async () => {
    const between = await crashed(async ({ runner, jobs, book }) => {
      const chain = runner.chain();
      chain.addTask(jobs.hold, 'held');
      const second = chain.addTask(jobs.note, 'cancelled');
      chain.addTask(jobs.note, 'third');
      await book.until('held');
      await runner.pause();
      await jobs.note('beside it');
      expect(await second.cancel()).toBe(true);
      await second.whenSettled();
    });
    await (await start(between)).book.until('held');
    const after = await start(await crashImage(between));
    await after.book.until('held');
    after.book.open('held');
    await after.runner.whenIdle();
    // Whether the one beside it had settled before the crash does not matter here.
    expect(after.book.started.filter((tag) => tag !== 'beside it')).toEqual(['held']);
    await close(after);
  });

  it('calls with one dedupe key are still one run', async () => {
    let id = '';
    const image = await crashed(({ runner, jobs, book }) => {
      ({ id } = runner.addTask(jobs.once, 'key'));
      return book.until('key');
    });
    const after = await start(image);
    expect(after.runner.addTask(after.jobs.once, 'key').id).toBe(id);
  });

  it('batches are gathered anew', async () => {
    const setup = { providers: [Batched] };
    const image = await crashedWaiting(async (before) => {
      await before.get(Batched).all([1]);
      await before.get(Batched).all([2, 3]);
    }, setup);
    const { runs } = (await runThrough(image, setup)).get(Batched);
    expect(runs.flat().toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
  });
});

it('a task that is added as the application starts runs once, beside what a former process has left', async () => {
  const image = await crashedWaiting((before) => before.get(Old).work('left'), WITH_OLD);
  const after = await runThrough(image, { providers: [Old, AddsAtStart] });
  expect(after.get(Old).done.toSorted()).toEqual(['bootstrap', 'init', 'left']);
  await close(after);
  expect(await recordsIn(image)).toEqual([]);
});

describe('a task that takes its process down', () => {
  const TWICE = { maxStarts: 2 };

  /** What is left after two processes that a task took down with it. */
  async function afterTwoCrashes(add: (app: Application) => void): Promise<string> {
    const once = await crashed((app) => {
      add(app);
      return app.book.until('deadly');
    }, TWICE);
    await (await start(once, TWICE)).book.until('deadly');
    return crashImage(once);
  }

  it('is started maxStarts times, then failed, kept, and run again when asked', async () => {
    let id = '';
    const path = await afterTwoCrashes(({ runner, jobs }) => {
      ({ id } = runner.addTask(jobs.hold, 'deadly'));
    });
    const third = await runThrough(path, TWICE);
    expect(third.book.started).toEqual([]);
    expect(await third.runner.get(id)).toMatchObject({
      status: 'failed',
      args: ['deadly'],
      outcome: { error: expect.objectContaining({ code: 'BGT_TASK_CRASHED' }) },
    });
    await close(third);

    const fourth = await runThrough(path, TWICE);
    expect(await fourth.runner.get(id)).toMatchObject({ status: 'failed' });
    const again = await fourth.runner.retry(id);
    await fourth.book.until('deadly');
    fourth.book.open('deadly');
    expect(await again?.whenSettled()).toMatchObject({ status: 'completed', attempts: 1 });
    await close(fourth);
    expect(await recordsIn(path)).toEqual([]);
  });

  it('breaks its chain, and lets the rest of its request go on', async () => {
    const path = await afterTwoCrashes(({ runner, jobs }) => {
      const chain = runner.chain();
      chain.addTask(jobs.hold, 'deadly');
      chain.addTask(jobs.note, 'depends on it');
    });
    const third = await runThrough(path, TWICE);
    expect(third.book.started).toEqual([]);
    expect(await third.runner.list({ status: 'dropped' })).toHaveLength(1);
  });

  it('is told from a task that was waiting, with maxStarts: 1', async () => {
    const setup = { maxStarts: 1 };
    const image = await crashed(({ runner, jobs, book }) => {
      runner.addTask({ queue: 'single' }, jobs.hold, 'deadly');
      runner.addTask(jobs.single, 'waiting');
      return book.until('deadly');
    }, setup);
    const after = await runThrough(image, setup);
    expect(after.book.started).toEqual(['waiting']);
    expect(await after.runner.list({ status: 'failed' })).toHaveLength(1);
  });

  it('does not count a start that a shutdown ended', async () => {
    const path = await temporaryFolder();
    for (let round = 1; round <= 4; round += 1) {
      const app = await start(path, TWICE);
      if (round === 1) {
        app.runner.addTask(app.jobs.hold, 'held');
      }
      await app.book.until('held');
      await close(app);
    }
    expect(await recordsIn(path)).toMatchObject([{ starts: 0 }]);
  });
});

it('an attempt that timed out during the shutdown counts', async () => {
  const path = await temporaryFolder();
  const before = await start(path, { options: { drainTimeout: 0 } });
  const retry = { attempts: 3, delay: '1h' } as const;
  before.runner.addTask({ timeout: 100, retry }, before.jobs.deaf, 'never opened');
  await before.book.until('never opened');
  await close(before); // the timeout comes within its grace time
  expect(await recordsIn(path)).toMatchObject([{ attempts: 1, starts: 0 }]);
});

it('D22: a task that closes its application is started maxStarts times, then failed, and kept', async () => {
  const path = await temporaryFolder();
  const setup = { maxStarts: 2, options: { drainTimeout: 0 }, providers: [Closing] };
  for (const round of [1, 2]) {
    const app = await start(path, setup);
    app.get(Closing).close.resolve(() => close(app));
    if (round === 1) {
      await app.get(Closing).closes();
    }
    await app.get(Closing).hasClosed.promise;
    expect(app.get(Closing).count).toBe(1);
  }
  const last = await runThrough(path, setup);
  expect(last.get(Closing).count).toBe(0);
  expect(await last.runner.list({ status: 'failed' })).toMatchObject([
    { name: 'Closing.closes', outcome: { error: { code: 'BGT_TASK_CRASHED' } } },
  ]);
});

describe('task names', () => {
  it('a task with an unknown name is kept, logged once, and run when the name is known again', async () => {
    const image = await crashedWaiting(async (before) => {
      await before.get(Old).work('one');
      await before.get(Old).work('two');
      await before.jobs.note('known');
    }, WITH_OLD);
    const without = await start(image);
    await without.book.until('known', 'end');
    expect(without.log.of('error').filter((line) => line.includes('"Old.work"'))).toEqual([
      expect.stringContaining('2 tasks'),
    ]);
    await close(without);
    const again = await runThrough(image, WITH_OLD);
    expect(again.get(Old).done).toEqual(['one', 'two']);
    expect(again.log.of('error')).toEqual([]);
  });

  it('a renamed method is found by its alias', async () => {
    const image = await crashedWaiting((before) => before.get(Old).work('one'), WITH_OLD);
    const Renamed = noting({ name: 'Renamed.work', aliases: ['Old.work'] });
    const after = await runThrough(image, { providers: [Renamed] });
    expect(after.get(Renamed).done).toEqual(['one']);
  });

  it('a chain does not go on past a task with an unknown name', async () => {
    const image = await crashedWaiting((before) => {
      const chain = before.runner.chain();
      chain.addTask(before.get(Old).work, 'first');
      chain.addTask(before.jobs.note, 'second');
      return before.jobs.note('beside it');
    }, WITH_OLD);
    const without = await runThrough(image);
    expect(without.book.started).toEqual(['beside it']);
    await close(without);
    expect(await recordsIn(image)).toHaveLength(2);
  });

  it('a task that cannot be made again is kept, and the others run', async () => {
    const options = { drainTimeout: 50, queues: { gone: {} } };
    const image = await crashedWaiting(
      ({ runner, jobs }) => {
        runner.addTask({ queue: 'gone' }, jobs.note, 'to a queue that will be gone');
        return jobs.note('other');
      },
      { options },
    );
    const after = await runThrough(image);
    expect(after.book.started).toEqual(['other']);
    expect(after.log.of('error')).toEqual([expect.stringContaining('Unknown queue "gone"')]);
    await close(after);
    expect(await recordsIn(image)).toHaveLength(1);
  });
});

@Injectable()
class Closing {
  count = 0;
  readonly close = new Deferred<() => Promise<void>>();
  readonly hasClosed = new Deferred();

  @Background()
  async closes(): Promise<void> {
    this.count += 1;
    await (
      await this.close.promise
    )();
    this.hasClosed.resolve();
  }
}

@Injectable()
class AddsAtStart implements OnModuleInit, OnApplicationBootstrap {
  constructor(@Inject(Old) private readonly old: Noting) {}

  async onModuleInit(): Promise<void> {
    await this.old.work('init');
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.old.work('bootstrap');
  }
}

@Injectable()
class Batched {
  readonly runs: number[][] = [];

  @Background({ batch: { size: 3, wait: 20 } })
  async all(items: number[]): Promise<void> {
    this.runs.push(items);
  }
}
