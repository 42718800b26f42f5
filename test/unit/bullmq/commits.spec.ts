import { describe, expect, it } from '@jest/globals';
import type { CollectedTasks } from '../../../lib/engine/bullmq/collected-tasks.js';
import { Commits } from '../../../lib/engine/bullmq/commits.js';
import { MemoryFallback } from '../../../lib/engine/bullmq/memory-fallback.js';
import { OwnHandles } from '../../../lib/engine/bullmq/own-handles.js';
import type { JobStore } from '../../../lib/engine/bullmq/job-store.js';
import type { Producer } from '../../../lib/engine/bullmq/producer.js';
import type { Worker } from '../../../lib/engine/engine.js';
import type { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import type { Outcome } from '../../../lib/task/outcome.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { bareTask } from '../support/tasks.js';

const COMPLETED: Outcome = { status: 'completed', attempts: 1, durationMs: 1 };
const FAILED: Outcome = { status: 'failed', attempts: 1, durationMs: 1, error: new Error('no') };

/** Commits to a store that takes everything. */
function createCommits() {
  const added: string[] = [];
  const told: string[] = [];
  const commits = new Commits({
    producer: {
      add: (lines: readonly (readonly Task[])[]) => {
        added.push(...lines.flat().map(({ name }) => name));
        return Promise.resolve([]);
      },
    } as unknown as Producer,
    collected: { giveBack: () => undefined } as unknown as CollectedTasks,
    fallback: undefined,
    worker: {
      announce: ({ name }: Task, { kind }: { kind: string }) => void told.push(`${name} ${kind}`),
    } as unknown as Worker,
    restorer: () => {
      throw new Error('No lines are expected.');
    },
  });
  return { commits, added, told };
}

function predecessor(outcome: Outcome, isInChain: boolean): Task {
  const task = bareTask('before');
  task.chain = isInChain ? { isBroken: false } : undefined;
  task.settle(outcome);
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
    await commits.add([bareTask('after')], false, predecessor(outcome, isInChain));
    expect(added).toStrictEqual(isStored ? ['after'] : []);
    expect(told).toStrictEqual(isStored ? [] : ['after dropped']);
  });
});

describe('a task that fell back to memory', () => {
  it('follows one that is in the store as soon as that has settled', async () => {
    const released: string[] = [];
    const memory = {
      admit: () => undefined,
      release: ({ name }: Task) => void released.push(name),
    } as unknown as MemoryEngine;
    const worker = { fallBack: () => undefined } as unknown as Worker;
    const fallback = new MemoryFallback(memory, worker);
    const [stored, fallen] = [bareTask('stored'), bareTask('fallen')];
    fallback.take(fallen);
    fallback.follow(stored, fallen);
    await Promise.resolve();
    expect(released).toStrictEqual([]);
    stored.settle(COMPLETED);
    await new Promise(setImmediate);
    expect(released).toStrictEqual(['fallen']);
  });
});

describe('the handle of a stored task', () => {
  it.each<[Outcome, boolean]>([
    [COMPLETED, false],
    [FAILED, true],
  ])('shows how another object of it has ended: %j', (outcome, isBroken) => {
    const handles = new OwnHandles({} as JobStore, new FakeClock(), () => true);
    const [own, attempted] = [bareTask('own'), bareTask('own')];
    own.chain = { isBroken: false };
    own.comeBack('id', 0, {} as never);
    attempted.comeBack('id', 1, {} as never);
    handles.add(own);
    attempted.settle(outcome);
    handles.settled(attempted);
    expect([own.outcome, own.chain.isBroken]).toEqual([outcome, isBroken]);
  });
});
