import type { RedisQueueBackend } from 'bullmq';
import type { Redis } from 'ioredis';
import { entryOf, type NewJob } from '../codec/stored-job.js';
import type { JobQueue, ScheduleRecords } from './job-store.js';

/** What the records of schedules on Redis need. */
export interface RedisSchedulesHost {
  readonly prefix: string;
  readonly client: Redis;
  readonly queueOf: (name: string) => JobQueue;
  /**
   * A connection that ends when it is lost: one that came back would have forgotten what it watches. BullMQ's
   * scripts are its commands once what comes with it is ready.
   */
  readonly connectOnce: () => {
    connection: Redis;
    scripts: { waitUntilReady(): Promise<unknown> };
  };
}

/**
 * The records of schedules on Redis. A swap watches the record, and adds the job in the transaction that
 * replaces it: Redis does neither where the record has changed meanwhile.
 */
export class RedisSchedules implements ScheduleRecords {
  private watching: ReturnType<RedisSchedulesHost['connectOnce']> | undefined;
  /** One at a time: what is watched belongs to the connection. */
  private latest: Promise<unknown> = Promise.resolve();

  constructor(private readonly host: RedisSchedulesHost) {}

  async load(): Promise<{ now: number; records: ReadonlyMap<string, string> }> {
    const { client } = this.host;
    const [[seconds, micros], names] = await Promise.all([
      client.time(),
      client.smembers(this.namesKey),
    ]);
    const texts = names.length === 0 ? [] : await client.mget(names.map((name) => this.key(name)));
    const records = names.map((name, index) => [name, texts[index]] as const);
    return {
      now: seconds * 1_000 + micros / 1_000,
      records: new Map(records.filter((each): each is [string, string] => each[1] !== null)),
    };
  }

  swap(
    name: string,
    before: string | undefined,
    after: string | undefined,
    job: NewJob | undefined,
  ): Promise<'done' | 'duplicate' | 'stale'> {
    const swapped = this.latest.then(() => this.exchange(name, before, after, job));
    this.latest = swapped.catch(() => this.close()); // it may be in the middle of a transaction
    return swapped;
  }

  close(): void {
    this.watching?.connection.disconnect();
    this.watching = undefined;
  }

  private async exchange(
    name: string,
    before: string | undefined,
    after: string | undefined,
    job: NewJob | undefined,
  ): Promise<'done' | 'duplicate' | 'stale'> {
    const { connection, scripts } = (this.watching ??= this.host.connectOnce());
    const key = this.key(name);
    await scripts.waitUntilReady(); // before the record is watched: it asks for the server's version
    await connection.watch(key);
    if (((await connection.get(key)) ?? undefined) !== before) {
      await connection.unwatch();
      return 'stale';
    }
    const transaction = connection.multi();
    if (after === undefined) {
      transaction.del(key).srem(this.namesKey, name);
    } else {
      transaction.set(key, after).sadd(this.namesKey, name);
    }
    if (job !== undefined) {
      const queue = this.host.queueOf(job.task.queue);
      const { jobData, jobId, parentKeyOpts } = entryOf(queue, job);
      const { backend } = queue as unknown as { backend: RedisQueueBackend };
      const commands = transaction as unknown as Record<string, (args: unknown[]) => unknown>;
      const client = { runCommand: (script: string, args: unknown[]) => commands[script]?.(args) };
      await backend.addJobToTransaction(client as never, jobData, jobId, parentKeyOpts);
    }
    const results = await transaction.exec();
    if (results === null) {
      return 'stale';
    }
    const failed = results.find(([error]) => error !== null);
    if (failed?.[0]) {
      throw failed[0];
    }
    return job === undefined || String(results.at(-1)?.[1]) === job.task.id ? 'done' : 'duplicate';
  }

  /** No queue has an empty name: these are nobody else's. */
  private key(name: string): string {
    return `${this.host.prefix}::schedule:${name}`;
  }

  private get namesKey(): string {
    return `${this.host.prefix}::schedules`;
  }
}
