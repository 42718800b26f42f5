import { describe, expect, it } from '@jest/globals';
import { createEngine } from '../../../lib/create-engine.js';
import { resolveBullMQOptions } from '../../../lib/engine/bullmq/bullmq-options.js';
import { bullmq } from '../../../lib/engine/bullmq/index.js';
import { RedisStore } from '../../../lib/engine/bullmq/store/redis-store.js';
import type { Worker } from '../../../lib/engine/engine.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { FakeClock } from '../support/fake-clock.js';
import { LogBook } from '../../support/log-book.js';

const REDIS = 'redis://localhost:6379';
const POSTGRES = 'postgres://localhost/tasks';

describe('the options of BullMQ', () => {
  it('have defaults, except the connection', () => {
    expect(resolveBullMQOptions({ connection: REDIS })).toEqual({
      address: { kind: 'redis', options: {}, url: REDIS },
      isConsumer: true,
      prefix: undefined,
      commitTimeoutMs: 2_000,
      holdMs: 30_000,
      lockDurationMs: 30_000,
      maxStarts: 3,
      hasFallback: false,
      storage: { serializer: undefined, maxArgsBytes: 1_048_576 },
    });
  });

  it.each([
    ['valkey://user:pw@host', "got 'valkey://***@host'."],
    ['user:p#w@host:6379', "got '***@host:6379'."],
    ['redis://user:p#w@host', "got 'redis://***@host'. In a user name or password"],
    ['postgres://user:p#w@host/db', "got 'postgres://***@host/db'. In a user name or password"],
  ])('O9: do not show the password where %s is refused', (connection, shown) => {
    expect(() => bullmq({ connection })).toThrow(shown);
  });

  it.each([
    ['rediss://host:1', { kind: 'redis', options: {}, url: 'rediss://host:1' }],
    [
      { host: 'h', port: 1 },
      { kind: 'redis', options: { host: 'h', port: 1 }, url: undefined },
    ],
    ['postgres://h/d', { kind: 'postgres', options: { connectionString: 'postgres://h/d' } }],
    [
      'postgres://user:pw@/db?host=/run',
      { kind: 'postgres', options: { connectionString: 'postgres://user:pw@/db?host=/run' } },
    ],
    ['postgresql://h/d', { kind: 'postgres', options: { connectionString: 'postgresql://h/d' } }],
    [
      { postgres: 'postgres://h/d' },
      { kind: 'postgres', options: { connectionString: 'postgres://h/d' } },
    ],
    [{ postgres: { host: 'h' } }, { kind: 'postgres', options: { host: 'h' } }],
  ])('find the store at %j', (connection, address) => {
    expect(resolveBullMQOptions({ connection }).address).toEqual(address);
  });
});

describe('bullmq()', () => {
  it.each<[Record<string, unknown>, string]>([
    [{}, 'bullmq.connection'],
    [{ connection: 'localhost:6379' }, 'bullmq.connection'],
    [{ connection: 'redis://localhost:99999' }, 'bullmq.connection'],
    [{ connection: { postgres: 'postgres://localhost:99999/db' } }, 'bullmq.connection'],
    [{ connection: { postgres: undefined } }, 'bullmq.connection'],
    [{ connection: { postgres: 'localhost/db' } }, 'bullmq.connection'],
    [{ connection: REDIS, role: 'consumer' }, 'bullmq.role'],
    [{ connection: REDIS, prefix: 'a:b' }, 'bullmq.prefix'],
    [{ connection: POSTGRES, prefix: 'a-b' }, 'bullmq.prefix'],
    [{ connection: POSTGRES, prefix: 'a'.repeat(57) }, 'bullmq.prefix'],
    [{ connection: REDIS, commitTimeout: 0 }, 'bullmq.commitTimeout'],
    [{ connection: REDIS, lockDuration: 'soon' }, 'bullmq.lockDuration'],
    [{ connection: REDIS, maxStarts: 0 }, 'bullmq.maxStarts'],
    [{ connection: REDIS, fallback: 'journal' }, 'bullmq.fallback'],
    [{ connection: REDIS, serializer: { serialize: String } }, 'bullmq.serializer.deserialize'],
  ])('refuses %j at once', (options, path) => {
    expect(() => bullmq(options as never)).toThrow(
      expect.objectContaining({ code: 'BGT_INVALID_OPTION', path }),
    );
  });

  it.each([
    [REDIS, '1-'.repeat(50)],
    [POSTGRES, '_'.repeat(56)],
  ])('takes a prefix that can be a name on %s', (connection, prefix) => {
    expect(() => bullmq({ connection, prefix })).not.toThrow();
  });
});

type Address = ConstructorParameters<typeof RedisStore>[0];

const storeAt = (address: Omit<Address, 'kind'>) =>
  new RedisStore({ kind: 'redis', ...address }, 'tasks', 100, new FakeClock(), new LogBook());

describe('a store on Redis', () => {
  it.each<[Omit<Address, 'kind'>, string]>([
    [{ options: {}, url: undefined }, 'Redis at 127.0.0.1:6379'],
    [{ options: { host: 'h', port: 1, password: 'secret' }, url: undefined }, 'Redis at h:1'],
    [{ options: {}, url: 'redis://user:secret@h:1/0' }, 'Redis at h:1'],
    [{ options: {}, url: 'redis://:secret@h:nowhere' }, 'Redis at the given address'],
  ])('at %j is named "%s", without a password', (address, label) => {
    expect(storeAt(address).label).toBe(label);
  });
});

describe('the dead letters of BullMQ', () => {
  it.each([
    [1, ['"keep.bytes" has no effect on BullMQ (default, mails): use keep.count and keep.age.']],
    [undefined, []],
  ])('are not bounded by bytes: keep.bytes: %j causes a warning at start', (bytes, warnings) => {
    const logger = new LogBook();
    const engine = bullmq({ connection: REDIS });
    createEngine(
      new ResolvedOptions({ engine, queues: { mails: {} }, keep: { bytes } }),
      {} as Worker,
      new FakeClock(),
      logger,
    );
    expect(logger.of('warn')).toEqual(warnings);
  });
});
