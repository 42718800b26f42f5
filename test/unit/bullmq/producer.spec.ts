import { describe, expect, it } from '@jest/globals';
import type { BullMQSettings } from '../../../lib/engine/bullmq/bullmq-options.js';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import { Producer } from '../../../lib/engine/bullmq/commit/producer.js';
import { StoreUnavailableError } from '../../../lib/errors/storage.errors.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { bareTask, NOBODY } from '../support/tasks.js';

const HOLD_MS = 30_000;

interface Entry {
  readonly jobId: string;
}

/** A producer on a store that says what was asked of it, in milliseconds from when. */
function createProducer() {
  const clock = new FakeClock(0);
  const asked: string[] = [];
  const duplicates = new Set<string>();
  let isUp = true;
  let refusal: Error | undefined;
  const idFor = (id: string): string => (duplicates.has(id) ? 'another' : id);
  const ask = (what: string, id: string): Promise<void> => {
    if (!isUp) {
      return Promise.reject(new Error('Connection is closed.'));
    }
    asked.push(what);
    // As BullMQ answers where there is no such job.
    const missing = Object.assign(new Error('Missing key for job'), { code: -1 });
    return duplicates.has(id) ? Promise.reject(missing) : Promise.resolve();
  };
  const backend = {
    addJob: (_data: unknown, id: string) =>
      refusal === undefined ? Promise.resolve(idFor(id)) : Promise.reject(refusal),
    addFlow: (entries: readonly Entry[]) =>
      Promise.resolve(entries.map(({ jobId }) => [null, idFor(jobId)])),
    changeDelay: (id: string, delayMs: number) => ask(`${id} in ${delayMs}`, id),
    promote: (id: string) => ask(`${id} now`, id),
  };
  const store = {
    label: 'The store',
    isReady: true,
    ready: () => Promise.resolve(),
    queue: () => ({
      name: 'default',
      opts: {},
      backend,
      toKey: (key: string) => key,
      remove: (id: string) => ask(`${id} never`, id).then(() => 1),
    }),
  } as unknown as JobStore;
  const settings = { commitTimeoutMs: 2_000, holdMs: HOLD_MS } as BullMQSettings;
  const producer = new Producer(store, settings, clock, new RecordingLogger());
  return {
    producer,
    clock,
    asked,
    duplicates,
    setUp: (up: boolean) => {
      isUp = up;
    },
    refuseBy: (error: Error) => {
      refusal = error;
    },
  };
}

/** As it is when it was written down: its id is its name. */
function taskOf(name: string, delay = 0): Task {
  const task = bareTask(name, { ...NOBODY, mintId: () => name }, { options: { delay } });
  task.stored = { args: '[]', options: undefined, carried: undefined };
  return task;
}

describe('P1: a stored task whose response is still open', () => {
  it('is held for as long as that takes', async () => {
    const { producer, clock, asked } = createProducer();
    const task = taskOf('a');
    await producer.add([[task]], true);
    await clock.advance(40_000);
    expect(asked).toEqual(['a in 30000', 'a in 30000']);
    producer.release([task]);
    await clock.advance(120_000);
    expect(asked.slice(2)).toEqual(['a now']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is held again as soon as the store is back', async () => {
    const { producer, clock, asked, setUp } = createProducer();
    await producer.add([[taskOf('a')]], true);
    setUp(false);
    await clock.advance(16_000);
    expect(asked).toEqual([]);
    setUp(true);
    await clock.advance(1_000);
    expect(asked).toEqual(['a in 30000']);
    await producer.close();
  });

  it('is not put off once it is released, by what could not be done before', async () => {
    const { producer, clock, asked, setUp } = createProducer();
    const task = taskOf('a', 5_000);
    await producer.add([[task]], true);
    setUp(false);
    await clock.advance(15_000); // half of the hold is over: it is prolonged, and that fails
    setUp(true);
    producer.release([task]);
    await clock.advance(60_000);
    expect(asked).toEqual(['a in 5000']);
  });

  it('is released as soon as the store is back', async () => {
    const { producer, clock, asked, setUp } = createProducer();
    const task = taskOf('a', 5_000);
    await producer.add([[task]], true);
    setUp(false);
    producer.release([task]);
    await clock.advance(3_000);
    setUp(true);
    await clock.advance(60_000);
    expect(asked).toEqual(['a in 5000']);
  });
});

describe('P17: a task that the store has not taken', () => {
  it.each<[string, object, string[]]>([
    ['had nobody to connect to', { syscall: 'connect', code: 'ECONNREFUSED' }, []],
    ['was told that the database starts or stops', { code: '57P03' }, []],
    ['lost its connection', { syscall: 'read', code: 'ECONNRESET' }, ['a never']],
    ['got no answer', {}, ['a never']],
  ])('is looked for only where it may have arrived: it %s', async (_what, how, asked) => {
    const kit = createProducer();
    kit.refuseBy(Object.assign(new Error('no'), how));
    await expect(kit.producer.add([[taskOf('a')]], true)).rejects.toThrow(StoreUnavailableError);
    await kit.clock.advance(1_000);
    expect(kit.asked).toStrictEqual(asked);
  });
});
