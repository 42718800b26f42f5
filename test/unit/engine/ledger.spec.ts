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

/** Takes back what a former process has left, as an engine with a store does. */
class RestoringEngine extends MemoryEngine {
  restore(head: Task, dueAtOf: (task: Task) => number): void {
    this.takeBack(head, dueAtOf);
  }
}

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
  const engine = new RestoringEngine(
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
  it('begins once that is written down', async () => {
    const { add, clock, log, write, written } = createEngine();
    const task = add('a');
    await clock.settle();
    expect([task.status, log, written()]).toEqual(['running', [], ['starting a']]);
    await write();
    expect(log).toEqual(['a runs']);
  });

  it('is put off by a second while it cannot be written down', async () => {
    const { add, clock, log, write, written } = createEngine();
    const task = add('a');
    await clock.settle();
    await write(DISK_FULL);
    expect([task.status, log, written()]).toEqual([
      'retrying',
      ['a retry'],
      ['retrying a at 1000'],
    ]);
    await write(DISK_FULL);
    await clock.advance(999);
    expect(written()).toEqual([]);
    await clock.advance(1);
    await write();
    expect(log).toEqual(['a retry', 'a runs']);
  });

  it('is not made of a task that was cancelled meanwhile', async () => {
    const { add, clock, engine, log, write, written } = createEngine();
    const task = add('a');
    await clock.settle();
    expect(engine.cancel(task)).toBe(true);
    await write();
    expect(written()).toEqual(['settled a']);
    await write();
    expect(log).toEqual(['a cancelled']);
  });

  it('P13: is not made where the application shuts down meanwhile, and the task is kept', async () => {
    const { add, clock, engine, log, write, written } = createEngine();
    add('a');
    await clock.settle();
    const stopped = resolutionOf(engine.stop(0));
    await write();
    expect([written(), stopped.isThere]).toEqual([['kept a'], false]);
    await write();
    expect([log, stopped.isThere]).toEqual([['a abandoned and kept'], true]);
  });

  it('of several calls begins once all of them are written down', async () => {
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
    'is told once it is written down, or cannot be (%p)',
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

  it('gives its slot to another before it is written down', async () => {
    const { add, clock, conclude, log } = createEngine(false);
    const [first] = ['a', 'b', 'c'].map((name) => add(name));
    await clock.settle();
    expect(log).toEqual(['a runs', 'b runs']);
    await conclude(first, COMPLETED);
    expect(log).toEqual(['a runs', 'b runs', 'c runs']);
  });

  it('leaves a retry behind, with its time, whether that can be written down or not', async () => {
    const { add, clock, conclude, log, write, written } = createEngine(false);
    const task = add('a');
    await clock.advance(40);
    await conclude(task, { kind: 'retry', delayMs: 60, error: new Error('no') });
    expect(written()).toEqual(['retrying a at 100']);
    await write(DISK_FULL);
    await clock.advance(60);
    expect(log).toEqual(['a runs', 'a retry', 'a runs']);
  });

  it('leaves a retry behind for each call of a batch', async () => {
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
  it('keeps what waits and was committed, and ends what was not', async () => {
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

  it('keeps what fails in its course, with the time of its retry', async () => {
    const { add, clock, conclude, engine, written } = createEngine(false);
    const task = add('a');
    await clock.settle();
    void engine.stop(1_000);
    await conclude(task, { kind: 'retry', delayMs: 60, error: new Error('no') });
    expect(written()).toEqual(['retrying a at 60', 'kept a']);
  });
});

const committed = (name: string, attempts = 0): Task => {
  const task = bareTask(name);
  task.isCommitted = true;
  task.attempts = attempts;
  return task;
};

describe('P13: calls that are gathered', () => {
  it('are sent off by a drain, and at once while it lasts', async () => {
    const { add, clock, engine, log } = createEngine(false);
    const options = { batch: { size: 5, wait: 10_000 } };
    add('a', options, [[1]]);
    await clock.settle();
    expect(log).toEqual([]);
    void engine.drain(Infinity, 'released');
    await clock.settle();
    expect(log).toEqual(['a runs']);
    add('b', options, [[2]]);
    await clock.settle();
    expect(log).toEqual(['a runs', 'b runs']);
  });
});

describe('what a former process has left', () => {
  it('waits for its time, and starts at once where that has passed', async () => {
    const { clock, conclude, engine, log } = createEngine(false);
    const [past, later, again] = [committed('past'), committed('later'), committed('again', 1)];
    engine.restore(past, () => 0);
    engine.restore(later, () => 50);
    engine.restore(again, () => 60);
    expect([past, later, again].map(({ status }) => status)).toEqual([
      'queued',
      'delayed',
      'retrying',
    ]);
    await clock.settle();
    expect(log).toEqual(['past runs']);
    await clock.advance(50);
    expect(log).toEqual(['past runs', 'later runs']);
    await conclude(past, COMPLETED);
    await clock.advance(9);
    expect(log).toEqual(['past runs', 'later runs']);
    await clock.advance(1);
    expect(log).toEqual(['past runs', 'later runs', 'again runs']);
  });

  it('goes on in its lines, and counts as what is left to do', async () => {
    const { clock, conclude, engine, log, write } = createEngine(false);
    const [first, second] = [committed('first'), committed('second')];
    first.successor = second;
    engine.restore(first, () => 0);
    const idle = resolutionOf(engine.whenIdle());
    await clock.settle();
    expect([log, second.status]).toEqual([['first runs'], 'queued']);
    expect([...engine.states()].find(({ queue }) => queue === 'default')).toMatchObject({
      running: 1,
      pending: 1,
    });
    for (const task of [first, second]) {
      expect(idle.isThere).toBe(false);
      await conclude(task, COMPLETED);
      await write();
    }
    expect([log, idle.isThere]).toEqual([
      ['first runs', 'second runs', 'first completed', 'second completed'],
      true,
    ]);
  });
});

describe('a task of another engine', () => {
  it('has no place here', () => {
    const { engine } = createEngine();
    const stranger = bareTask('stranger');
    Object.defineProperty(stranger, 'queue', { value: 'elsewhere' });
    expect(() => engine.admit(stranger)).toThrow('no queue "elsewhere"');
  });
});
