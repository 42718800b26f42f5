import type { RedisOptions } from 'ioredis';
import { InvalidOptionError } from '../../errors/misuse.errors.js';
import {
  checkCount,
  checkFunction,
  checkOneOf,
  checkPositiveDuration,
  checkShape,
  checkString,
  describe,
  isPlainObject,
  requireKeys,
  type Shape,
} from '../../options/checks.js';
import { milliseconds } from '../../task/duration.js';
import type { Serializer, TaskStorage } from '../../task/stored-call.js';
import type { BullMQConnection, BullMQOptions, PostgresOptions } from './bullmq.js';

const DEFAULTS = {
  role: 'both',
  commitTimeout: '2s',
  hold: '30s',
  lockDuration: '30s',
  maxStarts: 3,
  keepCompleted: 1_000,
  keepFailed: 10_000,
  maxArgsBytes: 1_048_576,
} as const;

const KEEP_SHAPE: Shape<NonNullable<BullMQOptions['keep']>> = {
  completed: checkCount,
  failed: checkCount,
};
const SERIALIZER_SHAPE: Shape<Serializer> = {
  serialize: checkFunction,
  deserialize: checkFunction,
};
const BULLMQ_SHAPE: Shape<BullMQOptions> = {
  connection: checkConnection,
  role: checkOneOf('producer', 'worker', 'both'),
  prefix: checkPrefix,
  commitTimeout: checkPositiveDuration,
  hold: (value, path) => value === false || checkPositiveDuration(value, path),
  lockDuration: checkPositiveDuration,
  maxStarts: checkCount,
  keep: (value, path) => checkShape(value, path, KEEP_SHAPE),
  fallback: checkOneOf('memory'),
  maxArgsBytes: checkCount,
  serializer: (value, path) => {
    checkShape<Serializer>(value, path, SERIALIZER_SHAPE);
    requireKeys(value as object, path, 'serialize', 'deserialize');
  },
};

/** Where the tasks are. */
export type StoreAddress =
  | { readonly kind: 'redis'; readonly options: RedisOptions; readonly url: string | undefined }
  | { readonly kind: 'postgres'; readonly options: PostgresOptions };

/** {@link BullMQOptions}, filled in. */
export interface BullMQSettings {
  readonly address: StoreAddress;
  readonly isConsumer: boolean;
  readonly prefix: string | undefined;
  readonly commitTimeoutMs: number;
  /** `undefined` for none. */
  readonly holdMs: number | undefined;
  readonly lockDurationMs: number;
  readonly maxStarts: number;
  readonly keepCompleted: number;
  readonly keepFailed: number;
  readonly hasFallback: boolean;
  readonly storage: TaskStorage;
}

/** @throws UnknownOptionError, InvalidOptionError */
export function resolveBullMQOptions(options: BullMQOptions): BullMQSettings {
  checkShape<BullMQOptions>(options, 'bullmq', BULLMQ_SHAPE);
  requireKeys(options, 'bullmq', 'connection');
  const hold = options.hold ?? DEFAULTS.hold;
  const address = addressOf(options.connection);
  if (address.kind === 'postgres' && options.prefix !== undefined) {
    checkSchema(options.prefix);
  }
  return {
    address,
    isConsumer: (options.role ?? DEFAULTS.role) !== 'producer',
    prefix: options.prefix,
    commitTimeoutMs: milliseconds(options.commitTimeout ?? DEFAULTS.commitTimeout),
    holdMs: hold === false ? undefined : milliseconds(hold),
    lockDurationMs: milliseconds(options.lockDuration ?? DEFAULTS.lockDuration),
    maxStarts: options.maxStarts ?? DEFAULTS.maxStarts,
    keepCompleted: options.keep?.completed ?? DEFAULTS.keepCompleted,
    keepFailed: options.keep?.failed ?? DEFAULTS.keepFailed,
    hasFallback: options.fallback === 'memory',
    storage: {
      serializer: options.serializer,
      maxArgsBytes: options.maxArgsBytes ?? DEFAULTS.maxArgsBytes,
    },
  };
}

function addressOf(connection: BullMQConnection): StoreAddress {
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
  const isAddress = typeof value === 'string' && /^(rediss?|postgres(ql)?):\/\//.test(value);
  if (!isAddress && !isPlainObject(value)) {
    throw new InvalidOptionError(
      path,
      `expected an address such as 'redis://localhost:6379', or options, got ${describe(value)}.`,
    );
  }
}

function checkPrefix(value: unknown, path: string): void {
  checkString(value, path);
  if (!/^[\w.{}-]+$/.test(value as string)) {
    throw new InvalidOptionError(path, 'has letters, digits, ".", "_", "-" and braces only.');
  }
}

/** PostgreSQL cuts names at 63 bytes, and that of a channel is the schema's and a little more. */
const LONGEST_SCHEMA = 56;

function checkSchema(prefix: string): void {
  if (!/^[A-Za-z_]\w*$/.test(prefix) || prefix.length > LONGEST_SCHEMA) {
    throw new InvalidOptionError(
      'bullmq.prefix',
      `on PostgreSQL it is the name of a schema: letters, digits and "_", no digit first, at most ${LONGEST_SCHEMA}.`,
    );
  }
}
