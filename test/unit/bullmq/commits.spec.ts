import { describe, expect, it } from '@jest/globals';
import type { CollectedTasks } from '../../../lib/engine/bullmq/commit/collected-tasks.js';
import { Producer } from '../../../lib/engine/bullmq/commit/producer.js';
import { FallbackEngine } from '../../../lib/engine/fallback-engine.js';
import { OwnHandles } from '../../../lib/engine/bullmq/view/own-handles.js';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import { Persistence } from '../../../lib/engine/bullmq/store/store-errors.js';
import type { Engine, Worker } from '../../../lib/engine/engine.js';
import { StoreUnavailableError } from '../../../lib/errors/storage.errors.js';
import { breaksChain, type Outcome } from '../../../lib/task/outcome.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { Deferred } from '../support/deferred.js';
import { bareTask } from '../support/tasks.js';

const COMPLETED: Outcome = { status: 'completed', attempts: 1, durationMs: 1 };
const FAILED: Outcome = { status: 'failed', attempts: 1, durationMs: 1, error: new Error('no') };

/** Commits to a store that takes everything, unless the test says otherwise. */
function createProducer(store: (id: string) => Promise<string> = (id) => Promise.resolve(id)) {
  const added: string[] = [];
  const removed: string[] = [];
  const told: string[] = [];
  const clock = new FakeClock();
  const backend = {
    addJob: ({ name }: { name: string }, id: string) => {
      added.push(name);
      return store(id);
    },
  };
  const remove = (id: string): Promise<number> => {
    removed.push(id);
    return Promise.resolve(1);
  };
  const producer = new Producer({
    store: {
      label: 'The store',
      ready: () => Promise.resolve(),
      queue: () => ({ name: 'default', opts: {}, backend, remove }),
    } as unknown as JobStore,
    persistence: new Persistence(clock),
    settings: { commitTimeoutMs: 2_000, holdMs: 30_000 },
    collected: { takeOut: () => undefined, stored: () => undefined } as unknown as CollectedTasks,
    worker: {
      announce: ({ name }: Task, { kind }: { kind: string }) => void told.push(`${name} ${kind}`),
    } as unknown as Worker,
    clock,
    logger: new RecordingLogger(),
  });
  return { producer, clock, added, removed, told };
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

function storedTask(name: string): Task {
  const task = bareTask(name);
  task.stored = { args: '[]', options: undefined, carried: undefined };
  return task;
}

function behind(prior: Task | undefined, name: string): Task {
  const task = storedTask(name);
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
    const { producer, added, told } = createProducer();
    await producer.commit([follower(outcome, isInChain)], false);
    expect(added).toStrictEqual(isStored ? ['after'] : []);
    expect(told).toStrictEqual(isStored ? [] : ['after dropped']);
  });
});

describe('P17: a task whose request fails, though not by its own store', () => {
  it('is taken back when the store has taken it', async () => {
    const stored = new Deferred<string>();
    const { producer, clock, removed } = createProducer(() => stored.promise);
    const task = storedTask('task');
    const added = producer.commit([task], true);
    const takenBack = producer.takeBack(task);
    await clock.advance(1_000);
    expect(removed).toStrictEqual([]);
    stored.resolve(task.id);
    await Promise.all([added, takenBack]);
    await clock.advance(1_000);
    expect(removed).toStrictEqual([task.id]);
    await producer.close();
  });

  it('is left alone where the store has refused it: that is seen to', async () => {
    const refusal = Object.assign(new Error('no'), { syscall: 'connect' });
    const { producer, clock, removed } = createProducer(() => Promise.reject(refusal));
    const task = storedTask('task');
    await expect(producer.commit([task], true)).rejects.toThrow(StoreUnavailableError);
    await producer.takeBack(task);
    await clock.advance(60_000);
    expect(removed).toStrictEqual([]);
  });

  it('is not told of as a duplicate, too', async () => {
    const { producer, told } = createProducer(() => Promise.resolve('another'));
    const task = storedTask('task');
    task.isOver = true;
    await producer.commit([task], false);
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
  it('shows that another object of it runs, with the attempt that it is', () => {
    const handles = new OwnHandles({} as JobStore, new FakeClock(), () => true);
    const [own, attempted] = [bareTask('own'), bareTask('own')];
    handles.add(own);
    attempted.attempts = 3;
    expect(own.id).toBe(attempted.id);
    handles.started(attempted);
    handles.started(bareTask('another'));
    expect([own.status, own.attempts]).toEqual(['running', 3]);
  });

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
