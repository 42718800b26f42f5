import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { TaskJob } from '../../../lib/engine/bullmq/codec/stored-job.js';
import { CollectedTasks } from '../../../lib/engine/bullmq/commit/collected-tasks.js';
import type { PendingLimits } from '../../../lib/engine/bullmq/commit/collected-tasks.js';
import { Shutdown, type ShutdownHost } from '../../../lib/engine/bullmq/shutdown.js';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import { Reports } from '../../../lib/engine/bullmq/view/reports.js';
import { SettledElsewhere } from '../../../lib/engine/bullmq/view/settled-elsewhere.js';
import type { DrainScope, QueueLimits } from '../../../lib/engine/engine.js';
import { Idleness } from '../../../lib/engine/memory/idleness.js';
import { MAX_LINES } from '../../../lib/task/log-lines.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { resolutionOf } from '../support/resolution.js';
import { bareTask } from '../support/tasks.js';

/** Of a store that has only the jobs of `has`, and counts what it is asked. */
function createWatch(has: Map<string, Partial<TaskJob>>, wasStored = true) {
  const clock = new FakeClock();
  const events = new EventEmitter();
  const asked: string[] = [];
  const settled: string[] = [];
  const store = {
    events: () => events,
    queue: () => ({
      getJob: (id: string) => {
        asked.push(id);
        return Promise.resolve(has.get(id));
      },
    }),
  } as unknown as JobStore;
  const elsewhere = new SettledElsewhere(
    store,
    clock,
    () => false,
    () => wasStored,
    (task: Task, { status }) => settled.push(`${task.name} ${status}`),
  );
  return { clock, events, asked, settled, elsewhere };
}

describe('a task that somebody waits for', () => {
  it('is abandoned once the store has let go of it, and no event says more', async () => {
    const { clock, elsewhere, settled } = createWatch(new Map());
    elsewhere.watch(bareTask('gone'));
    await clock.advance(1_000);
    expect(settled).toEqual([]);
    await clock.advance(1_000);
    expect(settled).toEqual(['gone abandoned']);
    expect(elsewhere.tasks).toEqual([]);
  });

  it('ends as an event says, though that comes late', async () => {
    const { clock, elsewhere, events, settled } = createWatch(new Map());
    const task = bareTask('cancelled');
    elsewhere.watch(task);
    await clock.advance(1_000);
    events.emit('removed', { jobId: task.id });
    await clock.advance(5_000);
    expect(settled).toEqual(['cancelled cancelled']);
  });

  it('is waited for as long as the store has it, or has yet to take it', async () => {
    const there = bareTask('there');
    const stored = createWatch(new Map([[there.id, {}]]));
    stored.elsewhere.watch(there);
    await stored.clock.advance(10_000);
    const collected = createWatch(new Map(), false);
    collected.elsewhere.watch(bareTask('collected'));
    await collected.clock.advance(10_000);
    expect([...stored.settled, ...collected.settled]).toEqual([]);
  });

  it('is let go where it settles without the store', async () => {
    const { clock, elsewhere, asked } = createWatch(new Map(), false);
    const task = bareTask('duplicate');
    elsewhere.watch(task);
    task.settle({ status: 'dropped', reason: 'duplicate' });
    await clock.advance(1_000);
    expect(elsewhere.tasks).toEqual([]);
    const before = asked.length;
    await clock.advance(10_000);
    expect(asked).toHaveLength(before);
  });
});

/** A store that takes its time for each write, until it is told to go on. */
function slowStore() {
  const written: string[] = [];
  let underWay = 0;
  let most = 0;
  let isUp = true;
  const write = async (what: string): Promise<void> => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    underWay -= 1;
    if (!isUp) {
      throw new Error('down');
    }
    written.push(what);
  };
  const backend = {
    updateProgress: (_id: string, { json }: { json: string }) => write(json),
    addLog: (_id: string, line: string) => write(line),
  };
  const store = { queue: () => ({ backend }) } as unknown as JobStore;
  return {
    store,
    written,
    most: () => most,
    setUp: (up: boolean) => {
      isUp = up;
    },
  };
}

const reporting = (progress?: unknown) => ({ id: 'id', queue: 'queue', progress }) as Task;

async function untilWritten(reports: Reports): Promise<void> {
  while (reports['unsaid'].size > 0) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

describe('what a body says of itself, to a store', () => {
  it('D10: is one write at a time, and the last value wins', async () => {
    const { store, written, most } = slowStore();
    const reports = new Reports(store);
    for (let at = 1; at <= 20_000; at += 1) {
      reports.progressed(reporting(at));
      if (at === 10) {
        // What the body says meanwhile follows in one write.
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
    }
    await untilWritten(reports);
    expect(written).toEqual(['10', '20000']);
    expect(most()).toBe(1);
  });

  it('D10: is as many lines as are kept, and no more', async () => {
    const { store, written, most } = slowStore();
    const reports = new Reports(store);
    for (let line = 1; line <= 20_000; line += 1) {
      reports.logged(reporting(), `line ${line}`);
    }
    await untilWritten(reports);
    expect(written).toHaveLength(MAX_LINES);
    expect(written.at(-1)).toBe('line 20000');
    expect(most()).toBe(1);
  });

  it('is lost where the store is down, and goes on afterwards', async () => {
    const { store, written, setUp } = slowStore();
    const reports = new Reports(store);
    setUp(false);
    reports.progressed(reporting(1));
    await untilWritten(reports);
    setUp(true);
    reports.progressed(reporting(2));
    await untilWritten(reports);
    expect(written).toEqual(['2']);
  });
});

const limits = {
  admit: () => undefined,
  takeBack: () => undefined,
} as unknown as PendingLimits;

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('P13: the drain of a store', () => {
  let collected: CollectedTasks;
  let idleness: Idleness;
  let shutdown: Shutdown;

  beforeEach(() => {
    collected = new CollectedTasks([{ name: 'default' } as QueueLimits], limits);
    idleness = new Idleness();
    shutdown = new Shutdown({
      consumers: { isIdle: true, drain: () => undefined },
      collected,
      idleness,
    } as unknown as ShutdownHost);
  });

  const drainOf = async (scope: DrainScope) => {
    const drain = resolutionOf(shutdown.drain(scope));
    await turn();
    return drain;
  };

  it('waits for what requests have collected, where those are meant, too', async () => {
    const task = bareTask('collected');
    collected.admit(task);
    expect((await drainOf('released')).isThere).toBe(true);
    const drain = await drainOf('collected');
    expect(drain.isThere).toBe(false);
    collected.takeOut(task);
    idleness.check();
    await turn();
    expect(drain.isThere).toBe(true);
  });
});
