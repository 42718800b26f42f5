import { describe, expect, it } from '@jest/globals';
import { RedisStore } from '../../../lib/engine/bullmq/store/redis-store.js';
import { RecordingLogger } from '../support/recording-logger.js';

type Address = ConstructorParameters<typeof RedisStore>[0];

type Connection = RedisStore['connections'][number];

const storeAt = (address: Omit<Address, 'kind'>) =>
  new RedisStore({ kind: 'redis', ...address }, 'tasks', 100, new RecordingLogger());

describe('a store on Redis', () => {
  it.each<[Omit<Address, 'kind'>, string]>([
    [{ options: {}, url: undefined }, 'Redis at 127.0.0.1:6379'],
    [{ options: { host: 'h', port: 1, password: 'secret' }, url: undefined }, 'Redis at h:1'],
    [{ options: {}, url: 'redis://user:secret@h:1/0' }, 'Redis at h:1'],
    [{ options: {}, url: 'redis://:secret@h:nowhere' }, 'Redis at the given address'],
  ])('at %j is called "%s", and by no password', (address, label) => {
    expect(storeAt(address).label).toBe(label);
  });

  it('has neither queues nor connections before it is open', async () => {
    const store = storeAt({ options: {}, url: undefined });
    expect([...store.queues()]).toEqual([]);
    expect(store.isReady).toBe(false);
    expect(() => store.queue('default')).toThrow('no queue "default", or is not open');
    expect(() => store.events('default')).toThrow('not open');
    expect(() =>
      store.listen(
        () => undefined,
        () => undefined,
      ),
    ).toThrow('not open');
    await expect(store.close()).resolves.toBeUndefined();
  });

  it('closes its connections, but none that has ended: a timer would hold up the exit', async () => {
    const store = storeAt({ options: {}, url: undefined });
    const told: string[] = [];
    for (const status of ['ready', 'end', 'reconnecting', 'connecting'] as const) {
      const connection = { status, disconnect: () => void told.push(status) };
      store['connections'].push(connection as unknown as Connection);
    }
    await store.close();
    expect(told).toEqual(['ready', 'reconnecting', 'connecting']);
  });
});
