import { describe, expect, it } from '@jest/globals';
import type { BullMQSettings } from '../../../lib/engine/bullmq/bullmq-options.js';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import { Producer } from '../../../lib/engine/bullmq/commit/producer.js';
import { FakeClock } from '../support/fake-clock.js';
import { bareTask } from '../support/tasks.js';
import { RecordingLogger } from '../support/recording-logger.js';

type Answer = (wasThere: boolean) => number;

/** A producer on a store that says what it was asked to remove. */
function createProducer(answer: Answer = () => 1) {
  const clock = new FakeClock(0);
  const stored = new Set<string>();
  const removed: string[] = [];
  let isUp = true;
  const store = {
    label: 'The store',
    isReady: true,
    ready: () => (isUp ? Promise.resolve() : Promise.reject(new Error('down'))),
    queue: () => ({
      opts: {},
      backend: {
        addJob: (_job: unknown, id: string) => {
          stored.add(id);
          return Promise.resolve(id);
        },
      },
      remove: (id: string) => {
        removed.push(id);
        return Promise.resolve(answer(stored.delete(id)));
      },
    }),
  } as unknown as JobStore;
  const settings = { commitTimeoutMs: 2_000 } as BullMQSettings;
  const logger = new RecordingLogger();
  const producer = new Producer(store, settings, clock, logger);
  return {
    producer,
    clock,
    stored,
    removed,
    logger,
    setUp: (up: boolean) => {
      isUp = up;
    },
  };
}

describe('P17: a task of a request that was told it failed', () => {
  it('is removed where it has landed all the same', async () => {
    const { producer, clock, stored, removed } = createProducer();
    stored.add('a');
    producer.retract({ queue: 'mail', id: 'a' });
    await clock.advance(60_000);
    expect([...stored]).toEqual([]);
    expect(new Set(removed)).toEqual(new Set(['a']));
  });

  it.each<[string, Answer]>([
    ['1, as Redis does, whether there was one or not', () => 1],
    ['whether there was one', (wasThere) => (wasThere ? 1 : 0)],
  ])(
    'is removed also where it lands only after a store was asked that says %s',
    async (_how, answer) => {
      const { producer, clock, stored, removed } = createProducer(answer);
      producer.retract({ queue: 'mail', id: 'a' });
      await clock.advance(1_000);
      expect(removed).toEqual(['a']);
      stored.add('a');
      await clock.advance(1_000);
      expect([...stored]).toEqual([]);
    },
  );

  it('is looked for no longer than it could still land', async () => {
    const { producer, clock, removed } = createProducer();
    producer.retract({ queue: 'mail', id: 'a' });
    await clock.advance(60_000);
    expect(removed).toHaveLength(6);
  });

  it('is removed when the store is back', async () => {
    const { producer, clock, stored, removed, setUp } = createProducer();
    stored.add('a');
    setUp(false);
    producer.retract({ queue: 'mail', id: 'a' });
    await clock.advance(60_000);
    expect(removed).toEqual([]);
    setUp(true);
    await clock.advance(1_000);
    expect([...stored]).toEqual([]);
  });

  it('stays where it is stored once more: it ran in memory instead, and is retried', async () => {
    const { producer, clock, stored, removed } = createProducer();
    const task = bareTask('again');
    task.stored = { args: '[]', options: undefined, carried: undefined };
    producer.retract({ queue: 'default', id: task.id });
    await clock.advance(1_000);
    await producer.add([[task]], false);
    await clock.advance(60_000);
    expect([...stored]).toEqual([task.id]);
    expect(removed).toEqual([task.id]);
  });

  it('is told of where the store is away for too long', async () => {
    const { producer, clock, stored, logger, setUp } = createProducer();
    stored.add('a');
    setUp(false);
    producer.retract({ queue: 'mail', id: 'a' });
    await clock.advance(400_000);
    expect(logger.of('warn')).toEqual(['The store: task a may run although its request failed']);
    await producer.close();
  });
});
