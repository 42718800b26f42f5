import type { LoggerService } from '@nestjs/common';
import type { PostgresConnection, QueueEvents } from 'bullmq';
import { TransactionError } from '../../../errors/storage.errors.js';
import type { Clock } from '../../../task/clock.js';
import type { Position } from '../../../task/position.js';
import type { TransactionClient } from '../../../task/transaction-client.js';
import type { FailedQuery } from '../../kept-tasks.js';
import { entryOf, type JobWorker, type NewJob } from '../codec/stored-job.js';
import { forgiving, missing } from './connections.js';
import {
  JobStore,
  type BullMQ,
  type Retention,
  type WorkerGate,
  type WorkerLimits,
} from './job-store.js';
import { PostgresSchedules, schemaOfSchedules } from './schedules.js';
import { createTaskWorker } from './task-worker.js';

export interface PostgresAddress {
  readonly kind: 'postgres';
  readonly options: Readonly<Record<string, unknown>>;
}

const RECONNECT_MS = 500;
/** How often surplus settled jobs are removed, in milliseconds. */
const SWEEP_MS = 30_000;
/** BullMQ's `clean()` takes 0 as no limit. */
const NO_LIMIT = 0;
/** Connections for short commands, shared by all queues. Each worker has a pool of the same size. */
const POOL_SIZE = 4;

/** How much longer than a command a migration may take: it may build an index on a large table. */
const MIGRATION_FACTOR = 30;

/** Returns a row if the job has the key now. BullMQ removes the key with the job that names it. */
const CLAIM_KEY = `
WITH claimed AS (
  INSERT INTO dedup (queue, dedup_id, job_id) VALUES ($1, $2, $3)
  ON CONFLICT (queue, dedup_id) DO UPDATE SET expire_at_ms = NULL WHERE dedup.job_id = $3
  RETURNING job_id
), named AS (
  UPDATE job SET dedup_id = $2 FROM claimed WHERE job.queue = $1 AND job.id = $3
)
SELECT job_id FROM claimed`;

const LAST_EVENT = 'SELECT COALESCE(MAX(id), 0) AS id FROM event WHERE queue = $1';

const failedIn = (order: 'ASC' | 'DESC', after: '>=' | '<='): string => `
SELECT id, finished_at_ms AS at FROM job
WHERE queue = $1 AND state = 'failed' AND ($2::bigint IS NULL OR finished_at_ms ${after} $2)
  AND ($3::bigint IS NULL OR finished_at_ms < $3)
ORDER BY finished_at_ms ${order}, id COLLATE "C" ${order} OFFSET $4 LIMIT $5`;
const FAILED = { oldestFirst: failedIn('ASC', '>='), latestFirst: failedIn('DESC', '<=') };

/** BullMQ on PostgreSQL. The schema is created or migrated when the store is first reached. */
export class PostgresStore extends JobStore {
  private connection: PostgresConnection | undefined;
  private connected: Promise<void> | undefined;
  private readonly sweeps: NodeJS.Timeout[] = [];

  constructor(
    private readonly address: PostgresAddress,
    schema: string,
    timeoutMs: number,
    clock: Clock,
    logger: LoggerService,
  ) {
    super('PostgreSQL', 'PostgreSQL', schema, timeoutMs, clock, logger);
  }

  protected async connectTo(queues: readonly string[]): Promise<void> {
    // Imported by a variable, which TypeScript does not resolve: the types of `pg` would be one more peer.
    const name: string = 'pg';
    await import(name).catch(missing('pg'));
    this.connected = this.prepare(queues);
    this.connected.catch(() => undefined);
  }

  ready(): Promise<void> {
    return this.connected ?? Promise.reject(new Error('The store is not open.'));
  }

  worker(name: string, limits: WorkerLimits, retention: Retention, gate: WorkerGate): JobWorker {
    const options = { ...limits, connection: this.config(), autorun: false };
    const worker = createTaskWorker(this.opened.Worker, gate, name, options, this.backend);
    worker.on('error', this.errors.report);
    this.sweeps.push(setInterval(() => this.sweep(name, retention), SWEEP_MS));
    return worker;
  }

  protected eventsOf(name: string): QueueEvents {
    const { QueueEvents: Events } = this.opened;
    const options = { connection: this.config({ max: 1 }), autorun: false };
    return new Events(name, options, this.backend as never);
  }

  protected async lastEventId(name: string): Promise<string> {
    const [last] = await this.query(LAST_EVENT, [name]);
    return (last as { id: string }).id;
  }

  /** As of BullMQ 6.7, workers on PostgreSQL are not told of a job that goes back to the queue. */
  async wake(name: string): Promise<void> {
    await this.query("SELECT pg_notify('bullmq_jobs', $1)", [name]);
  }

  listen(onCancel: (id: string) => void, onGap: () => void): void {
    const subscribe = async (): Promise<void> => {
      const client = await this.reached.getListenClient();
      await client.query(`LISTEN "${this.channel}"`);
      client.on('notification', ({ payload }) => onCancel(payload ?? ''));
      onGap();
    };
    const listen = (): void => void this.untilDone(subscribe).catch(() => undefined); // closed meanwhile
    this.reached.on('listenerinvalidated', listen);
    listen();
  }

  async tellCancel(id: string): Promise<void> {
    await this.query('SELECT pg_notify($1, $2)', [this.channel, id]);
  }

  schedules(): PostgresSchedules {
    return new PostgresSchedules(this.prefix, this.reached.pool, (client, job) =>
      this.addWithin(client, job),
    );
  }

  async claimKey(queue: string, dedupeId: string, jobId: string): Promise<boolean> {
    return (await this.query(CLAIM_KEY, [queue, dedupeId, jobId])).length === 1;
  }

  override async addWithin(client: TransactionClient, job: NewJob): Promise<string> {
    const { queue, name } = job.task;
    if (!(await isInTransaction(client))) {
      throw new TransactionError(name, queue, 'none is open on this connection. BEGIN one first.');
    }
    const { PostgresQueueBackend: Backend } = this.opened;
    const connection = connectionOf(client, this.prefix) as never;
    const backend = new Backend(connection, queue, {} as never, false);
    const { jobData, jobId, parentKeyOpts } = entryOf(this.queue(queue), job);
    return backend.addJob(jobData, jobId, parentKeyOpts);
  }

  async failed(
    queue: string,
    { after, before, isOldestFirst }: FailedQuery,
    skip: number,
    limit: number,
  ): Promise<Position[]> {
    const text = isOldestFirst ? FAILED.oldestFirst : FAILED.latestFirst;
    const values = [queue, after?.at ?? null, before ?? null, skip, limit];
    const rows = (await this.query(text, values)) as { id: string; at: string }[];
    return rows.map(({ id, at }) => ({ id, at: Number(at) }));
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.sweeps.forEach((sweep) => clearInterval(sweep));
    await Promise.allSettled(this.queues().map((queue) => queue.close()));
    await this.connection?.close();
  }

  /** Waits for the server first: BullMQ's objects stay dead if it is down when they are made. */
  private async prepare(queues: readonly string[]): Promise<void> {
    const { Queue, PostgresQueueBackend } = this.opened;
    await this.untilDone(() => this.migrate());
    const connection = this.connect(this.config());
    try {
      await this.untilDone(() => connection.waitUntilReady());
    } catch (error) {
      await connection.close();
      throw error;
    }
    this.connection = connection;
    const factory = (name: string, options: object): InstanceType<typeof PostgresQueueBackend> =>
      new PostgresQueueBackend(connection, name, options as never, false);
    for (const name of queues) {
      this.add(new Queue(name, { connection: this.config() }, factory as never));
    }
    this.errors.recovered();
  }

  /** @throws Error if the store closes first */
  private async untilDone(act: () => Promise<void>): Promise<void> {
    while (!this.isClosed) {
      try {
        return await act();
      } catch (error) {
        this.errors.report(withRemedy(error));
      }
      await this.sleep(RECONNECT_MS);
    }
    throw new Error('The store is closed.');
  }

  private async migrate(): Promise<void> {
    const connection = this.connect(
      this.config({
        connectionTimeoutMillis: 1_000,
        query_timeout: this.timeoutMs * MIGRATION_FACTOR,
        max: 1,
        migrate: true,
      }),
    );
    try {
      await connection.waitUntilReady();
      await connection.pool.query(schemaOfSchedules(this.prefix));
    } finally {
      // Not awaited: a connection that was never made may not close.
      connection.close().catch(() => undefined);
    }
  }

  /**
   * Bounds the settled jobs. BullMQ's own removal by count deadlocks on PostgreSQL and runs finished jobs
   * again. Several workers may sweep at once: one may count jobs that another is removing.
   */
  private sweep(name: string, { remember, keep }: Retention): void {
    const queue = this.queue(name);
    const most = { completed: remember, failed: keep.count };
    for (const kind of ['completed', 'failed'] as const) {
      void queue
        .getJobCountByTypes(kind)
        .then((count) => (count > most[kind] ? queue.clean(0, count - most[kind], kind) : []))
        .catch(() => undefined);
    }
    if (Number.isFinite(keep.ageMs)) {
      void queue.clean(keep.ageMs, NO_LIMIT, 'failed').catch(() => undefined);
    }
  }

  /** Makes the backend, with a connection of its own, of a worker or of a reader of events. */
  private readonly backend: BullMQ['createPostgresBackend'] = (...setting) => {
    const backend = this.opened.createPostgresBackend(...setting);
    forgiving((backend as unknown as { connection: PostgresConnection }).connection);
    return backend;
  };

  private connect(config: object): PostgresConnection {
    const connection = forgiving(new this.opened.PostgresConnection(config as never));
    connection.on('error', this.errors.report);
    return connection;
  }

  /** @param own defaults of this connection, which the application's options override */
  private config(own: object = {}): Record<string, unknown> {
    return {
      connectionTimeoutMillis: this.timeoutMs,
      query_timeout: this.timeoutMs,
      max: POOL_SIZE,
      ...own,
      ...this.address.options,
      schema: this.prefix,
    };
  }

  private get reached(): PostgresConnection {
    if (this.connection === undefined) {
      throw new Error('The store has not been reached yet.');
    }
    return this.connection;
  }

  private async query(text: string, values?: unknown[]): Promise<unknown[]> {
    return (await this.reached.pool.query(text, values)).rows;
  }
}

/** PgBouncer supports neither the schema as a startup parameter nor LISTEN. */
function withRemedy(error: unknown): unknown {
  const text = String((error as { message?: unknown } | null)?.message);
  return /unsupported startup parameter/.test(text)
    ? `${text}. This is PgBouncer or the like, which cannot keep a session: connect to PostgreSQL itself.`
    : error;
}

/**
 * The caller's connection as BullMQ's commands use one: BullMQ can neither wait for it nor close it. Its
 * `search_path` is the caller's, so the function that adds a job is called by its full name. That function
 * resolves all other names itself.
 */
function connectionOf(client: TransactionClient, schema: string): object {
  const query = async (text: string, values?: unknown[]): Promise<{ rows: unknown[] }> => {
    const named = text.replace('SELECT add_job(', `SELECT "${schema}".add_job(`);
    return { rows: await rowsOf(client, named, values) };
  };
  return { schema, pool: { query }, waitUntilReady: () => Promise.resolve() };
}

/** Whether a transaction is open: outside one, a transaction-local setting is lost at once. */
async function isInTransaction(client: TransactionClient): Promise<boolean> {
  await client.query("SELECT set_config('background_tasks.is_open', 'yes', true)");
  const [row] = await rowsOf(
    client,
    "SELECT current_setting('background_tasks.is_open', true) AS is_open",
  );
  return (row as { is_open: string | null } | undefined)?.is_open === 'yes';
}

/** `pg` returns an object with the rows, TypeORM the rows themselves. */
async function rowsOf(
  client: TransactionClient,
  text: string,
  values?: unknown[],
): Promise<unknown[]> {
  const result = await client.query(text, values);
  return Array.isArray(result) ? result : ((result as { rows?: unknown[] }).rows ?? []);
}
