/**
 * `import { … } from 'nestjs-background-tasks/bullmq'`: tasks that several processes share, on Redis or
 * PostgreSQL. Needs `bullmq`, and `ioredis` or `pg`. See docs/bullmq.md.
 *
 * @module bullmq
 */

import { InvalidOptionError } from '../../errors/misuse.errors.js';
import { DEFAULT_KEEP } from '../../options/resolved-options.js';
import type { EngineFactory, EngineSetting, QueueLimits } from '../engine.js';
import { FallbackEngine } from '../fallback-engine.js';
import { MemoryEngine } from '../memory/memory.engine.js';
import { BullMQEngine } from './bullmq.engine.js';
import { resolveBullMQOptions, type BullMQOptions, type BullMQSettings } from './bullmq-options.js';
import type { JobStore } from './store/job-store.js';
import { PostgresStore } from './store/postgres-store.js';
import { RedisStore } from './store/redis-store.js';

export type { BullMQConnection, BullMQOptions, PostgresOptions } from './bullmq-options.js';

/**
 * An engine that shares its tasks with other processes, through BullMQ on Redis, Valkey or
 * PostgreSQL. Delivery is at least once. Needs the packages `bullmq`, and `ioredis` or `pg`.
 *
 * @param options where the store is, and how this process uses it
 * @throws UnknownOptionError, InvalidOptionError
 */
export function bullmq(options: BullMQOptions): EngineFactory {
  const settings = resolveBullMQOptions(options);
  return {
    engine: 'bullmq',
    create(setting) {
      const { worker, queues, keep, logger } = setting;
      queues.forEach((limits) => refuseUnsupported(limits, settings));
      const engine = new BullMQEngine(setting, settings, storeOf(settings, setting));
      if (keep !== undefined && keep.bytes !== DEFAULT_KEEP.bytes) {
        const names = queues.map(({ name }) => name).join(', ');
        logger.warn(
          `"keep.bytes" has no effect on BullMQ (${names}): use keep.count and keep.age.`,
        );
      }
      return settings.hasFallback
        ? new FallbackEngine(engine, new MemoryEngine(setting), worker, queues)
        : engine;
    },
  };
}

/** The store that the options name, not connected yet. */
function storeOf(settings: BullMQSettings, { clock, logger }: EngineSetting): JobStore {
  const { address, prefix, commitTimeoutMs } = settings;
  switch (address.kind) {
    case 'redis':
      return new RedisStore(address, prefix ?? 'bgt', commitTimeoutMs, clock, logger);
    case 'postgres':
      return new PostgresStore(address, prefix ?? 'bullmq', commitTimeoutMs, clock, logger);
  }
}

function refuseUnsupported(limits: QueueLimits, { address }: BullMQSettings): void {
  const { name, overflow, concurrencyOfAll } = limits;
  if (concurrencyOfAll !== undefined && address.kind === 'postgres') {
    throw new InvalidOptionError(
      `queues.${name}.concurrency.all`,
      'is refused on PostgreSQL: while so many tasks run, idle workers would ask for tasks without a pause.',
    );
  }
  if (overflow !== 'reject') {
    throw new InvalidOptionError(
      `queues.${name}.overflow`,
      `'${overflow}' is impossible in a queue that processes share: none of them knows the oldest task.`,
    );
  }
}
