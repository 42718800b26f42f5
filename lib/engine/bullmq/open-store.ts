import type { LoggerService } from '@nestjs/common';
import type { BullMQSettings } from './bullmq-options.js';
import type { JobStore } from './store/job-store.js';
import { PostgresStore } from './store/postgres/postgres-store.js';
import { RedisStore } from './store/redis-store.js';

/** The store that the options name; nothing is connected yet. */
export function openStore(settings: BullMQSettings, logger: LoggerService): JobStore {
  const { address, prefix, commitTimeoutMs } = settings;
  switch (address.kind) {
    case 'redis':
      return new RedisStore(address, prefix ?? 'bgt', commitTimeoutMs, logger);
    case 'postgres':
      return new PostgresStore(address, prefix ?? 'bullmq', commitTimeoutMs, logger);
  }
}
