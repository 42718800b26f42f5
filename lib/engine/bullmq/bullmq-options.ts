import type { RedisOptions } from 'ioredis';
import { InvalidOptionError } from '../../errors/misuse.errors.js';
import {
  checkCount,
  checkOneOf,
  checkPositiveDuration,
  checkSerializer,
  checkShape,
  checkString,
  describe,
  requireKeys,
  type Shape,
} from '../../options/checks.js';
import { isPlainObject } from '../../task/json-value.js';
import { milliseconds, type Duration } from '../../task/duration.js';
import type { Serializer, TaskStorage } from '../../task/stored-call.js';
import type { PostgresAddress } from './store/postgres-store.js';
import type { RedisAddress } from './store/redis-store.js';

/**
 * Where the tasks are stored: a `redis://…`, `rediss://…` or `postgres://…` address, the options of
 * ioredis, or those of a `pg` pool.
 */
export type BullMQConnection =
  | string
  | RedisOptions
  | {
      /** The address of PostgreSQL, or the options of a `pg` pool. */
      postgres: string | PostgresOptions;
    };

/** The options of a `pg` pool: `connectionString`, or `host`, `port`, `user`, `password`, `database`, … */
export type PostgresOptions = Record<string, unknown>;

/** The options of {@link bullmq}. */
export interface BullMQOptions {
  /** Where the store is. */
  connection: BullMQConnection;
  /**
   * `'producer'` adds tasks but runs none. `'worker'` and `'both'` run tasks and may add them.
   * @default 'both'
   */
  role?: 'producer' | 'worker' | 'both' | undefined;
  /**
   * The start of every key on Redis. On PostgreSQL it is the name of the schema: letters, digits and
   * `_`, at most 56 characters. Each application that uses the store needs its own.
   * @default 'bgt' on Redis, 'bullmq' on PostgreSQL
   */
  prefix?: string | undefined;
  /** How long a request waits for its tasks to be stored before it fails with 503. @default '2s' */
  commitTimeout?: Duration | undefined;
  /**
   * How long stored tasks are held for a response that has not closed if their process dies. A living
   * process extends the hold until the response closes.
   * @default '30s'
   */
  hold?: Duration | undefined;
  /**
   * How long a worker may be silent before its tasks are taken over. The takeover comes after one to
   * two of these durations.
   * @default '30s'
   */
  lockDuration?: Duration | undefined;
  /**
   * A task fails for good after its worker has crashed this many times during an attempt.
   * @default 3
   */
  maxStarts?: number | undefined;
  /**
   * What happens to tasks that the store does not take. Without this option the request fails with
   * 503. `'memory'` runs the tasks in this process, with a warning and an event. They are lost if the
   * process dies.
   * @default none
   */
  fallback?: 'memory' | undefined;
  /** The largest size of a call's serialised arguments, in bytes. @default 1_048_576 */
  maxArgsBytes?: number | undefined;
  /**
   * Turns arguments into text, and text back into arguments.
   * @default JSON; values that it cannot hold are refused
   */
  serializer?: Serializer | undefined;
}

const DEFAULTS = {
  role: 'both',
  commitTimeout: '2s',
  hold: '30s',
  lockDuration: '30s',
  maxStarts: 3,
  maxArgsBytes: 1_048_576,
} as const;

const BULLMQ_SHAPE: Shape<BullMQOptions> = {
  connection: checkConnection,
  role: checkOneOf('producer', 'worker', 'both'),
  prefix: checkPrefix,
  commitTimeout: checkPositiveDuration,
  hold: checkPositiveDuration,
  lockDuration: checkPositiveDuration,
  maxStarts: checkCount,
  fallback: checkOneOf('memory'),
  maxArgsBytes: checkCount,
  serializer: checkSerializer,
};

/** {@link BullMQOptions} with their defaults filled in. */
export interface BullMQSettings {
  readonly address: RedisAddress | PostgresAddress;
  readonly isConsumer: boolean;
  readonly prefix: string | undefined;
  readonly commitTimeoutMs: number;
  readonly holdMs: number;
  readonly lockDurationMs: number;
  readonly maxStarts: number;
  readonly hasFallback: boolean;
  readonly storage: TaskStorage;
}

/** @throws UnknownOptionError, InvalidOptionError */
export function resolveBullMQOptions(options: BullMQOptions): BullMQSettings {
  checkShape<BullMQOptions>(options, 'bullmq', BULLMQ_SHAPE);
  requireKeys(options, 'bullmq', 'connection');
  const address = addressOf(options.connection);
  if (address.kind === 'postgres' && options.prefix !== undefined) {
    checkSchema(options.prefix);
  }
  return {
    address,
    isConsumer: (options.role ?? DEFAULTS.role) !== 'producer',
    prefix: options.prefix,
    commitTimeoutMs: milliseconds(options.commitTimeout ?? DEFAULTS.commitTimeout),
    holdMs: milliseconds(options.hold ?? DEFAULTS.hold),
    lockDurationMs: milliseconds(options.lockDuration ?? DEFAULTS.lockDuration),
    maxStarts: options.maxStarts ?? DEFAULTS.maxStarts,
    hasFallback: options.fallback === 'memory',
    storage: {
      serializer: options.serializer,
      maxArgsBytes: options.maxArgsBytes ?? DEFAULTS.maxArgsBytes,
    },
  };
}

function addressOf(connection: BullMQConnection): BullMQSettings['address'] {
  if (typeof connection === 'string') {
    return /^postgres(ql)?:/.test(connection)
      ? { kind: 'postgres', options: { connectionString: connection } }
      : { kind: 'redis', options: {}, url: connection };
  }
  if ('postgres' in connection) {
    const { postgres } = connection;
    return {
      kind: 'postgres',
      options: typeof postgres === 'string' ? { connectionString: postgres } : postgres,
    };
  }
  return { kind: 'redis', options: connection, url: undefined };
}

function checkConnection(value: unknown, path: string): void {
  if (typeof value === 'string') {
    return checkAddress(value, path, /^(rediss?|postgres(ql)?):\/\//, 'redis://localhost:6379');
  }
  if (!isPlainObject(value)) {
    throw new InvalidOptionError(
      path,
      `expected an address such as 'redis://localhost:6379', or options, got ${describe(value)}.`,
    );
  }
  if ('postgres' in value && !isPlainObject(value.postgres)) {
    checkAddress(value.postgres, path, /^postgres(ql)?:\/\//, 'postgres://localhost/app');
  }
}

function checkAddress(value: unknown, path: string, scheme: RegExp, example: string): void {
  // `pg` takes an address without a host, whose query names a socket.
  const isAddress =
    typeof value === 'string' &&
    scheme.test(value) &&
    URL.canParse(value.replace('@/', '@localhost/'));
  if (!isAddress) {
    throw new InvalidOptionError(
      path,
      `expected an address such as '${example}', or options, got ${describe(value)}. In a user ` +
        'name or password, escape "#", "/", "?" and "%" with encodeURIComponent().',
    );
  }
}

function checkPrefix(value: unknown, path: string): void {
  checkString(value, path);
  if (!/^[\w.{}-]+$/.test(value as string)) {
    throw new InvalidOptionError(
      path,
      'a prefix has letters, digits, ".", "_", "-" and braces only.',
    );
  }
}

/** PostgreSQL cuts names at 63 bytes, and the channel's name is the schema's with a suffix. */
const LONGEST_SCHEMA = 56;

function checkSchema(prefix: string): void {
  if (!/^[A-Za-z_]\w*$/.test(prefix) || prefix.length > LONGEST_SCHEMA) {
    throw new InvalidOptionError(
      'bullmq.prefix',
      `on PostgreSQL it is the name of a schema: letters, digits and "_", no digit first, at most ${LONGEST_SCHEMA}.`,
    );
  }
}
