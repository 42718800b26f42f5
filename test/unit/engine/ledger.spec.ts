import { describe, expect, it } from '@jest/globals';
import type { Ledger } from '../../../lib/engine/memory/ledger.js';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import type { BackgroundOptions } from '../../../lib/task/task-options.js';
import type { Task } from '../../../lib/task/task.js';
import type { Dropped, Verdict } from '../../../lib/task/verdict.js';
import { Deferred } from '../../support/deferred.js';
import { FakeClock } from '../support/fake-clock.js';
import { LogBook } from '../../support/log-book.js';
import { resolutionOf } from '../support/resolution.js';
import { bareTask } from '../support/tasks.js';

/** An engine that writes everything down; the test decides when that is done, and how attempts end. */
function createEngine(isRecording = true) {
  const clock = new FakeClock(0);
  const log: string[] = [];
  const records: { readonly what: string; readonly end: Deferred }[] = [];
  const conclusions = new Map<Task, (verdict: Verdict) => void>();
  const record = (what: string): Promise<void> => {
    const end = new Deferred();
    records.push({ what, end });
    return end.promise;
  };
  const recordAndTell = (what: string, done: () => void): boolean => {
    void record(what)
      .catch(() => undefined)
      .finally(done);
    return true;
  };
  const ledger: Ledger = {
    starting: ({ name }) => (isRecording ? record(`starting ${name}`) : undefined),
    retrying: ({ name }, dueAt) =>
      void record(`retrying ${name} at ${dueAt}`).catch(() => undefined),
    changed: ({ name }, other) => void log.push(`${name} changed to ${other.name}`),
    kept: ({ name }, done) => recordAndTell(`kept ${name}`, done),
    settled: ({ name }, _end, done) => recordAndTell(`settled ${name}`, done),
  };
  const { queues } = new ResolvedOptions({ queues: { default: { concurrency: 2 } } });
  const engine = new MemoryEngine(
    {
      queues: [...queues.values()],
      worker: {
        attempt: (task, conclude) => {
          log.push(`${task.name} runs`);
          task.attempts += 1;
          conclusions.set(task, (verdict) => conclude(task, verdict));
        },
        announce: (task, verdict: Verdict | Dropped) => {
          const isKept = verdict.kind === 'abandoned' && verdict.isKept === true;
          log.push(`${task.name} ${verdict.kind}${isKept ? ' and kept' : ''}`);
          if (verdict.kind !== 'retry') {
            task.settle({ status: 'cancelled', attempts: task.attempts });
          }
        },
      },
      clock,
      logger: new LogBook(),
    },
    ledger,
  );
  void engine.start();
  return {
    clock,
    engine,
    log,
    records,
    add: (name: string, options: BackgroundOptions = {}, args: unknown[] = []): Task => {
      const task = bareTask(name, undefined, { options, args });
      task.isCommitted = true;
      engine.admit(task);
      void engine.release(task);
      return task;
    },
    written: () => records.map(({ what }) => what),
    /** What was to be written down by now, is. */
    write: async (error?: Error): Promise<void> => {
      records.splice(0).forEach(({ end }) => (error ? end.reject(error) : end.resolve()));
      await clock.settle();
    },
    conclude: async (task: Task, verdict: Verdict): Promise<void> => {
      conclusions.get(task)?.(verdict);
      await clock.settle();
    },
  };
}

const DISK_FULL = new Error('the disk is full');
const COMPLETED: Verdict = { kind: 'completed' };

describe('P17: an attempt', () => {
  it('begins once its start is recorded', async () => {
    const { add, clock, log, write, written } = createEngine();
    const task = add('a');
    await clock.settle();
    expect([task.status, log, written()]).toEqual(['running', [], ['starting a']]);
    await write();
    expect(log).toEqual(['a runs']);
  });

  it('does not begin if its task was cancelled meanwhile', async () => {
    const { add, clock, engine, log, write, written } = createEngine();
    const task = add('a');
    await clock.settle();
    expect(engine.cancel(task)).toBe(true);
    await write();
    expect(written()).toEqual(['settled a']);
    await write();
    expect(log).toEqual(['a cancelled']);
  });

  it('P13: does not begin if the application shuts down meanwhile, and its task is kept', async () => {
    const { add, clock, engine, log, write, written } = createEngine();
    add('a');
    await clock.settle();
    const stopped = resolutionOf(engine.stop(0));
    await write();
    expect([written(), stopped.isThere]).toEqual([['kept a'], false]);
    await write();
    expect([log, stopped.isThere]).toEqual([['a abandoned and kept'], true]);
  });

  it('of several calls begins once the starts of all are recorded', async () => {
    const { add, clock, log, write, written } = createEngine();
    const options = { batch: { size: 2, wait: 100 } };
    add('a', options, [[1]]);
    add('b', options, [[2]]);
    await clock.settle();
    expect([written(), log]).toEqual([['starting a', 'starting b'], []]);
    await write();
    expect(log).toEqual(['a runs']);
  });
});

describe('P17: the end of a task', () => {
  it.each([undefined, DISK_FULL])(
    'is announced once it is recorded, or cannot be (%p)',
    async (error) => {
      const { add, clock, conclude, engine, log, write, written } = createEngine(false);
      const task = add('a');
      await clock.settle();
      const idle = resolutionOf(engine.whenIdle());
      const drained = resolutionOf(engine.drain(Infinity, 'released'));
      await conclude(task, COMPLETED);
      expect([written(), log, idle.isThere, drained.isThere]).toEqual([
        ['settled a'],
        ['a runs'],
        false,
        false,
      ]);
      await write(error);
      expect([log, idle.isThere, drained.isThere]).toEqual([['a runs', 'a completed'], true, true]);
    },
  );

  it('frees its slot before it is recorded', async () => {
    const { add, clock, conclude, log } = createEngine(false);
    const [first] = ['a', 'b', 'c'].map((name) => add(name));
    await clock.settle();
    expect(log).toEqual(['a runs', 'b runs']);
    await conclude(first, COMPLETED);
    expect(log).toEqual(['a runs', 'b runs', 'c runs']);
  });

  it('records a retry for each call of a batch', async () => {
    const { add, clock, conclude, written } = createEngine(false);
    const options = { batch: { size: 2, wait: 100 } };
    const first = add('a', options, [[1]]);
    add('b', options, [[2]]);
    await clock.settle();
    await conclude(first, { kind: 'retry', delayMs: 60, error: new Error('no') });
    expect(written()).toEqual(['retrying a at 60', 'retrying b at 60']);
  });
});

describe('P13: a shutdown', () => {
  it('keeps waiting tasks that were committed, and ends the others', async () => {
    const { add, clock, engine, log, write, written } = createEngine(false);
    add('a', { delay: 1_000 });
    add('b', { delay: 1_000 }).isCommitted = false;
    const stopped = engine.stop(0);
    await clock.settle();
    expect(written()).toEqual(['kept a', 'settled b']);
    await write();
    await stopped;
    expect(log).toEqual(['a abandoned and kept', 'b abandoned']);
  });

  it('keeps a task whose attempt fails meanwhile, and when the next one is due', async () => {
    const { add, clock, conclude, engine, log, write, written } = createEngine(false);
    const task = add('a');
    await clock.settle();
    const stopped = engine.stop(0);
    await conclude(task, { kind: 'retry', delayMs: 60, error: new Error('no') });
    expect(written()).toEqual(['retrying a at 60', 'kept a']);
    await write();
    await stopped;
    expect(log).toEqual(['a runs', 'a abandoned and kept']);
  });
});
