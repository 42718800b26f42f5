import type { RedisQueueBackend } from 'bullmq';
import type { Redis } from 'ioredis';
import type { TransactionClient } from '../../../task/transaction-client.js';
import type { ScheduleStore } from '../../engine.js';
import { entryOf, type JobQueue, type NewJob } from '../codec/stored-job.js';

type Loaded = ReturnType<ScheduleStore['load']>;
type Swapped = ReturnType<ScheduleStore['swap']>;

/** `ScheduleStore` with a job in place of the task. */
export interface ScheduleRecords {
  load(): Loaded;
  swap(
    name: string,
    before: string | undefined,
    after: string | undefined,
    job: NewJob | undefined,
  ): Swapped;
}

/** The part of a pool of `pg` that is needed here. */
interface Pool {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  connect(): Promise<TransactionClient & { release(error?: unknown): void }>;
}

/** Our own table, in BullMQ's schema. */
const tableIn = (schema: string): string => `"${schema}".background_task_schedules`;

/** Several processes may create the table at once. */
export function schemaOfSchedules(schema: string): string {
  return `CREATE TABLE IF NOT EXISTS ${tableIn(schema)} (name text PRIMARY KEY, record text NOT NULL)`;
}

/** On PostgreSQL one transaction swaps the record and adds the job. */
export class PostgresSchedules implements ScheduleRecords {
  private readonly table: string;

  constructor(
    schema: string,
    private readonly pool: Pool,
    private readonly addWithin: (client: TransactionClient, job: NewJob) => Promise<string>,
  ) {
    this.table = tableIn(schema);
  }

  async load(): Loaded {
    const [clock, records] = await Promise.all([
      this.pool.query('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now'),
      this.pool.query(`SELECT name, record FROM ${this.table}`),
    ]);
    const rows = records.rows as { name: string; record: string }[];
    return {
      now: Number((clock.rows[0] as { now: unknown }).now),
      records: new Map(rows.map(({ name, record }) => [name, record])),
    };
  }

  async swap(
    name: string,
    before: string | undefined,
    after: string | undefined,
    job: NewJob | undefined,
  ): Swapped {
    const client = await this.pool.connect();
    const hasChanged = async (text: string, record: string): Promise<boolean> => {
      const result = (await client.query(text, [name, record])) as { rows: unknown[] };
      return result.rows.length === 1;
    };
    const { table } = this;
    // A second process waits here for the first, and then finds another record.
    const remove = `DELETE FROM ${table} WHERE name = $1 AND record = $2 RETURNING 1`;
    const insert = `INSERT INTO ${table} (name, record) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1`;
    try {
      await client.query('BEGIN');
      const isSwapped =
        (before === undefined || (await hasChanged(remove, before))) &&
        (after === undefined || (await hasChanged(insert, after)));
      const id = isSwapped && job !== undefined ? await this.addWithin(client, job) : undefined;
      await client.query('COMMIT');
      client.release();
      if (!isSwapped) {
        return 'stale';
      }
      return job === undefined || id === job.task.id ? 'done' : 'duplicate';
    } catch (error) {
      client.release(error); // closes the connection, which ends the transaction
      throw error;
    }
  }
}

/**
 * A connection that does not reconnect, because a new one would have forgotten the watched key. It has
 * BullMQ's scripts as commands once `scripts` is ready.
 */
export interface WatchingConnection {
  readonly connection: Redis;
  readonly scripts: { waitUntilReady(): Promise<unknown> };
}

/**
 * On Redis a swap watches the record, and adds the job in the transaction that replaces it. Redis does
 * neither if the record has changed meanwhile.
 */
export class RedisSchedules implements ScheduleRecords {
  private readonly namesKey: string;
  private watching: WatchingConnection | undefined;
  /** Swaps run one at a time, because a watch belongs to the connection. */
  private latest: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly prefix: string,
    private readonly client: Redis,
    private readonly queueOf: (name: string) => JobQueue,
    private readonly connect: () => WatchingConnection,
  ) {
    this.namesKey = `${prefix}::schedules`;
  }

  async load(): Loaded {
    const [[seconds, micros], names] = await Promise.all([
      this.client.time(),
      this.client.smembers(this.namesKey),
    ]);
    const keys = names.map((name) => this.key(name));
    const texts = keys.length === 0 ? [] : await this.client.mget(keys);
    const records = names.map((name, index) => [name, texts[index]] as const);
    return {
      now: seconds * 1_000 + micros / 1_000,
      records: new Map(records.filter((each): each is [string, string] => each[1] !== null)),
    };
  }

  swap(...change: Parameters<ScheduleRecords['swap']>): Swapped {
    const swapped = this.latest.then(() => this.exchange(...change));
    this.latest = swapped.catch(() => this.close()); // the connection may be in the middle of a transaction
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
  ): Swapped {
    const { connection, scripts } = (this.watching ??= this.connect());
    const key = this.key(name);
    await scripts.waitUntilReady(); // before the watch, because it asks for the server's version
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
      const queue = this.queueOf(job.task.queue);
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

  /** No queue has an empty name, so these keys are nobody else's. */
  private key(name: string): string {
    return `${this.prefix}::schedule:${name}`;
  }
}
