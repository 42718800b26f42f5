import type { RedisOptions } from 'ioredis';
import type { Duration } from '../../task/duration.js';
import type { Serializer } from '../../task/stored-call.js';
import type { EngineFactory } from '../engine.js';
import { BullMQEngine } from './bullmq.engine.js';
import { resolveBullMQOptions } from './bullmq-options.js';

/**
 * Where the tasks are: a `redis://…`, `rediss://…` or `postgres://…` address, the options of
 * ioredis, or those of a pool of `pg`.
 */
export type BullMQConnection =
  | string
  | RedisOptions
  | {
      /** The address of PostgreSQL, or the options of a pool of `pg`. */
      postgres: string | PostgresOptions;
    };

/** What a pool of `pg` takes: `connectionString`, or `host`, `port`, `user`, `password`, `database`, … */
export type PostgresOptions = Record<string, unknown>;

/** What {@link bullmq} takes. */
export interface BullMQOptions {
  /** Where the store is. */
  connection: BullMQConnection;
  /**
   * `'producer'` adds tasks and runs none; `'worker'` and `'both'` run them, and may add some.
   * @default 'both'
   */
  role?: 'producer' | 'worker' | 'both';
  /**
   * Before the name of every key on Redis; the name of the schema on PostgreSQL, of letters, digits
   * and `_`, at most 56. Applications that share a store have one each.
   * @default 'bgt' on Redis, 'bullmq' on PostgreSQL
   */
  prefix?: string;
  /** How long a request waits for its tasks to be stored before it fails with 503. @default '2s' */
  commitTimeout?: Duration;
  /**
   * How long tasks that are stored wait for their response to close, should its process die before
   * it tells. While it lives it asks for more. `false` lets tasks start as soon as they are stored,
   * which is cheaper, and may be before the client has read its answer.
   * @default '30s'
   */
  hold?: false | Duration;
  /** How long a worker may be silent before another takes over what it runs. @default '30s' */
  lockDuration?: Duration;
  /**
   * How often a task may be found running when its worker died, before it fails for good.
   * @default 3
   */
  maxStarts?: number;
  /** How many settled tasks the store remembers of each queue. @default 1_000 and 10_000 */
  keep?: {
    /** How many that have completed. @default 1_000 */
    completed?: number;
    /** How many that have failed. @default 10_000 */
    failed?: number;
  };
  /**
   * What happens to tasks that the store does not take: without it the request fails with 503;
   * `'memory'` runs them in this process, with a warning and an event. They do not survive it.
   * @default none
   */
  fallback?: 'memory';
  /** No call's arguments are longer, serialised: in bytes. @default 1_048_576 */
  maxArgsBytes?: number;
  /** How arguments become text, and text arguments again. @default JSON, of which what it cannot hold is refused */
  serializer?: Serializer;
}

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
