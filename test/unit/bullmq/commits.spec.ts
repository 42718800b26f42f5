import { describe, expect, it } from '@jest/globals';
import type { CollectedTasks } from '../../../lib/engine/bullmq/commit/collected-tasks.js';
import { Commits } from '../../../lib/engine/bullmq/commit/commits.js';
import { MemoryFallback } from '../../../lib/engine/bullmq/memory-fallback.js';
import { OwnHandles } from '../../../lib/engine/bullmq/view/own-handles.js';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import type { Producer } from '../../../lib/engine/bullmq/commit/producer.js';
import type { JobLink } from '../../../lib/engine/bullmq/codec/stored-job.js';
import type { Worker } from '../../../lib/engine/engine.js';
import { StoreUnavailableError } from '../../../lib/errors/storage.errors.js';
import type { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import { breaksChain, type Outcome } from '../../../lib/task/outcome.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { Deferred } from '../support/deferred.js';
import { bareTask } from '../support/tasks.js';

const COMPLETED: Outcome = { status: 'completed', attempts: 1, durationMs: 1 };
const FAILED: Outcome = { status: 'failed', attempts: 1, durationMs: 1, error: new Error('no') };

/** Commits to a store that takes everything, unless the test says otherwise. */
function createCommits(
  store: (tasks: readonly Task[]) => Promise<Task[]> = () => Promise.resolve([]),
  fallback?: MemoryFallback,
) {
  const added: string[] = [];
  const followed: (string | undefined)[] = [];
  const retracted: string[] = [];
  const told: string[] = [];
  const commits = new Commits({
    producer: {
      add: (lines: readonly (readonly Task[])[]) => {
        added.push(...lines.flat().map(({ name }) => name));
        followed.push(...lines.map(([head]) => head?.prior?.name));
        return store(lines.flat());
      },
      retract: ({ id }: JobLink) => void retracted.push(id),
    } as unknown as Producer,
    collected: { takeOut: () => undefined, stored: () => undefined } as unknown as CollectedTasks,
    fallback,
    worker: {
      announce: ({ name }: Task, { kind }: { kind: string }) => void told.push(`${name} ${kind}`),
    } as unknown as Worker,
  });
  return { commits, added, followed, retracted, told };
}

/** A task that follows one with this outcome. */
function follower(outcome: Outcome, isInChain: boolean): Task {
  const [before, after] = [bareTask('before'), behind(undefined, 'after')];
  before.chain = after.chain = isInChain ? {} : undefined;
  before.settle(outcome);
  before.hasCompleted = !breaksChain(outcome);
  after.prior = before;
  return after;
}

function behind(prior: Task | undefined, name: string): Task {
  const task = bareTask(name);
  task.prior = prior;
  return task;
}

describe('a task that follows one which has settled', () => {
  it.each<[string, Outcome, boolean, boolean]>([
    ['completed, in a chain', COMPLETED, true, true],
    ['failed, in a chain', FAILED, true, false],
    ['failed, in none', FAILED, false, true],
    ['cancelled, in a chain', { status: 'cancelled', attempts: 0 }, true, false],
    ['a duplicate, in a chain', { status: 'dropped', reason: 'duplicate' }, true, true],
    ['dropped, in a chain', { status: 'dropped', reason: 'handler-failed' }, true, false],
    ['dropped, in none', { status: 'dropped', reason: 'handler-failed' }, false, true],
  ])('is stored or dropped as it must be: %s', async (_what, outcome, isInChain, isStored) => {
    const { commits, added, told } = createCommits();
    await commits.add([follower(outcome, isInChain)], false);
    expect(added).toStrictEqual(isStored ? ['after'] : []);
    expect(told).toStrictEqual(isStored ? [] : ['after dropped']);
  });
});

describe('a task that follows a duplicate', () => {
  it('follows, in its stead, what that was to follow', async () => {
    const { commits, followed, told } = createCommits((tasks) =>
      Promise.resolve(tasks.filter(({ name }) => name.startsWith('duplicate'))),
    );
    const first = bareTask('first');
    const second = behind(first, 'duplicate');
    const third = behind(second, 'duplicate too');
    const last = behind(third, 'last');
    await commits.add([first], false);
    await commits.add([second], false);
    // Nobody waits until the store has said that it is one.
    await Promise.all([commits.add([third], false), commits.add([last], false)]);
    expect(followed).toStrictEqual([undefined, 'first', 'first', 'first']);
    expect(told).toStrictEqual(['duplicate dropped', 'duplicate too dropped']);
  });

  it('follows nothing where that stood at the head', async () => {
    const { commits, followed } = createCommits((tasks) =>
      Promise.resolve(tasks.filter(({ name }) => name === 'duplicate')),
    );
    const duplicate = bareTask('duplicate');
    await commits.add([duplicate], false);
    await commits.add([behind(duplicate, 'after')], false);
    expect(followed).toStrictEqual([undefined, undefined]);
  });
});

describe('P17: a task whose request fails, though not by its own store', () => {
  it('is taken back when the store has taken it', async () => {
    const stored = new Deferred<Task[]>();
    const { commits, retracted } = createCommits(() => stored.promise);
    const task = bareTask('task');
    const added = commits.add([task], true);
    const takenBack = commits.takeBack(task);
    await Promise.resolve();
    expect(retracted).toStrictEqual([]);
    stored.resolve([]);
    await Promise.all([added, takenBack]);
    expect(retracted).toStrictEqual([task.id]);
  });

  it('is left alone where the store has refused it: the producer has seen to that', async () => {
    const { commits, retracted } = createCommits(() => Promise.reject(new Error('no')));
    const task = bareTask('task');
    await expect(commits.add([task], true)).rejects.toThrow('no');
    await commits.takeBack(task);
    expect(retracted).toStrictEqual([]);
  });

  it('does not fall back to memory, and is told of once', async () => {
    const taken: string[] = [];
    const fallback = { take: ({ name }: Task) => void taken.push(name) };
    const down = new StoreUnavailableError('The store', {});
    const { commits } = createCommits(
      () => Promise.reject(down),
      fallback as unknown as MemoryFallback,
    );
    const [discarded, other] = [bareTask('discarded'), bareTask('other')];
    discarded.isOver = true;
    await commits.add([discarded, other], true);
    expect(taken).toStrictEqual(['other']);
  });

  it('is not told of as a duplicate, too', async () => {
    const { commits, told } = createCommits((tasks) => Promise.resolve([...tasks]));
    const task = bareTask('task');
    task.isOver = true;
    await commits.add([task], true);
    expect(told).toStrictEqual([]);
  });
});

describe('a task that fell back to memory', () => {
  it('follows one that is in the store as soon as that has settled', async () => {
    const released: string[] = [];
    const memory = {
      admit: () => undefined,
      release: ({ name }: Task) => void released.push(name),
    } as unknown as MemoryEngine;
    const worker = { announce: () => undefined } as unknown as Worker;
    const fallback = new MemoryFallback(memory, worker);
    const [stored, fallen] = [bareTask('stored'), bareTask('fallen')];
    fallback.take(fallen);
    fallen.prior = stored;
    void fallback.release(fallen);
    await Promise.resolve();
    expect(released).toStrictEqual([]);
    stored.settle(COMPLETED);
    await new Promise(setImmediate);
    expect(released).toStrictEqual(['fallen']);
  });
});

describe('the handle of a stored task', () => {
  it.each<[Outcome, boolean]>([
    [COMPLETED, true],
    [FAILED, false],
  ])('shows how another object of it has ended: %j', (outcome, hasCompleted) => {
    const handles = new OwnHandles({} as JobStore, new FakeClock(), () => true);
    const [own, attempted] = [bareTask('own'), bareTask('own')];
    own.comeBack({ id: 'id', attempts: 0, call: {} } as never);
    attempted.comeBack({ id: 'id', attempts: 1, call: {} } as never);
    handles.add(own);
    attempted.settle(outcome);
    handles.settled(attempted);
    expect([own.outcome, own.hasCompleted]).toEqual([outcome, hasCompleted]);
  });
});
