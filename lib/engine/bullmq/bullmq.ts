import type { EngineFactory } from '../engine.js';
import { BullMQEngine } from './bullmq.engine.js';
import { resolveBullMQOptions, type BullMQOptions } from './bullmq-options.js';

/**
 * An engine that shares its tasks with other processes, through BullMQ on Redis, Valkey or
 * PostgreSQL. Delivery is at least once. Needs the packages `bullmq`, and `ioredis` or `pg`.
 *
 * @param options where the store is, and what this process does with it
 * @throws UnknownOptionError, InvalidOptionError
 */
export function bullmq(options: BullMQOptions): EngineFactory {
  const settings = resolveBullMQOptions(options);
  return { engine: 'bullmq', create: (setting) => new BullMQEngine(setting, settings) };
}
