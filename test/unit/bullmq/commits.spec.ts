import { describe, expect, it } from '@jest/globals';
import type { CollectedTasks } from '../../../lib/engine/bullmq/commit/collected-tasks.js';
import { Commits } from '../../../lib/engine/bullmq/commit/commits.js';
import { FallbackEngine } from '../../../lib/engine/fallback-engine.js';
import { OwnHandles } from '../../../lib/engine/bullmq/view/own-handles.js';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import type { Producer } from '../../../lib/engine/bullmq/commit/producer.js';
import type { JobLink } from '../../../lib/engine/bullmq/codec/stored-job.js';
import type { Engine, Worker } from '../../../lib/engine/engine.js';
import { StoreUnavailableError } from '../../../lib/errors/storage.errors.js';
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
) {
  const added: string[] = [];
  const retracted: string[] = [];
  const told: string[] = [];
  const commits = new Commits({
    producer: {
      add: (lines: readonly (readonly Task[])[]) => {
        added.push(...lines.flat().map(({ name }) => name));
        return store(lines.flat());
      },
      retract: ({ id }: JobLink) => void retracted.push(id),
    } as unknown as Producer,
    collected: { takeOut: () => undefined, stored: () => undefined } as unknown as CollectedTasks,
    worker: {
      announce: ({ name }: Task, { kind }: { kind: string }) => void told.push(`${name} ${kind}`),
    } as unknown as Worker,
  });
  return { commits, added, retracted, told };
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

  it('is not told of as a duplicate, too', async () => {
    const { commits, told } = createCommits((tasks) => Promise.resolve([...tasks]));
    const task = bareTask('task');
    task.isOver = true;
    await commits.add([task], true);
    expect(told).toStrictEqual([]);
  });
});

describe('a task that fell back to memory', () => {
  it('P17: is told of once, unless its request has failed by then, and waits for one in the store', async () => {
    const [told, released]: [string[], string[]] = [[], []];
    const down = new StoreUnavailableError('The store', {});
    const memory = {
      admit: () => undefined,
      release: ({ name }: Task) => void released.push(name),
    } as unknown as Engine;
    const durable = {
      commit: () => Promise.reject(down),
      discard: () => undefined,
    } as unknown as Engine;
    const worker = {
      announce: ({ name }: Task, { kind }: { kind: string }) => void told.push(`${name} ${kind}`),
    } as unknown as Worker;
    const engine = new FallbackEngine(durable, memory, worker, []);
    const stored = bareTask('stored');
    const [fallen, discarded] = [behind(stored, 'fallen'), bareTask('discarded')];
    discarded.isOver = true;
    await engine.commit([discarded, fallen], true);
    expect(told).toStrictEqual(['fallen fell-back']);
    void engine.release(fallen);
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
