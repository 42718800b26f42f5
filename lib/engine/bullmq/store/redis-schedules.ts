import type { Queue, RedisQueueBackend } from 'bullmq';
import type { Redis } from 'ioredis';
import { entryOf, type NewJob } from '../codec/stored-job.js';
import type { ScheduleRecords } from './job-store.js';

type QueueClass = typeof Queue;

/** What the records of schedules on Redis need. */
export interface RedisSchedulesHost {
  readonly prefix: string;
  readonly client: Redis;
  readonly Queue: QueueClass;
  /** A connection that ends when it is lost: one that came back would have forgotten what it watches. */
  readonly connectOnce: () => Redis;
}

/**
 * The records of schedules on Redis. A swap watches the record, and adds the job in the transaction that
 * replaces it: Redis does neither where the record has changed meanwhile.
 */
export class RedisSchedules implements ScheduleRecords {
  private watching: Redis | undefined;
  private readonly queues = new Map<string, Queue>();
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
    const records = new Map<string, string>();
    names.forEach((name, index) => {
      const text = texts[index];
      if (typeof text === 'string') {
        records.set(name, text);
      }
    });
    return { now: seconds * 1_000 + micros / 1_000, records };
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
    this.watching?.disconnect();
    this.watching = undefined;
    this.queues.clear();
  }

  private async exchange(
    name: string,
    before: string | undefined,
    after: string | undefined,
    job: NewJob | undefined,
  ): Promise<'done' | 'duplicate' | 'stale'> {
    const connection = (this.watching ??= this.host.connectOnce());
    const key = this.key(name);
    // Before it is watched: a queue of BullMQ asks for the server's version when it is first used.
    const queue = job && this.queueOf(job.task.queue, connection);
    await queue?.waitUntilReady();
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
    if (queue !== undefined && job !== undefined) {
      const { jobData, jobId, parentKeyOpts } = entryOf(queue, job);
      const { backend } = queue as unknown as { backend: RedisQueueBackend };
      // BullMQ's scripts are commands of the connection by now.
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

  private queueOf(name: string, connection: Redis): Queue {
    let queue = this.queues.get(name);
    if (queue === undefined) {
      const { Queue: BullQueue, prefix } = this.host;
      queue = new BullQueue(name, { connection, prefix, skipMetasUpdate: true });
      queue.on('error', () => undefined); // whoever waits for the swap is told
      this.queues.set(name, queue);
    }
    return queue;
  }

  /** No queue has an empty name: these are nobody else's. */
  private key(name: string): string {
    return `${this.host.prefix}::schedule:${name}`;
  }

  private get namesKey(): string {
    return `${this.host.prefix}::schedules`;
  }
}
