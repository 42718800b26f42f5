import type { TransactionClient } from '../../../task/transaction-client.js';
import type { NewJob } from '../codec/stored-job.js';
import type { ScheduleRecords } from './job-store.js';

/** The part of a pool of `pg` that is needed here. */
export interface Pool {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  connect(): Promise<TransactionClient & { release(error?: unknown): void }>;
}

/** A table of ours beside BullMQ's, in the same schema. */
const tableIn = (schema: string): string => `"${schema}".background_task_schedules`;

/** What the schema needs for schedules. Several processes may make it at once. */
export function schemaOfSchedules(schema: string): string {
  return `CREATE TABLE IF NOT EXISTS ${tableIn(schema)} (name text PRIMARY KEY, record text NOT NULL)`;
}

/** The records of schedules on PostgreSQL: a swap and the job are one transaction. */
export class PostgresSchedules implements ScheduleRecords {
  private readonly table: string;

  constructor(
    schema: string,
    private readonly pool: Pool,
    private readonly addWithin: (client: TransactionClient, job: NewJob) => Promise<string>,
  ) {
    this.table = tableIn(schema);
  }

  async load(): Promise<{ now: number; records: ReadonlyMap<string, string> }> {
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
  ): Promise<'done' | 'duplicate' | 'stale'> {
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      const isSwapped = await this.replace(client, name, before, after);
      const id = isSwapped && job !== undefined ? await this.addWithin(client, job) : undefined;
      await client.query('COMMIT');
      client.release();
      if (!isSwapped) {
        return 'stale';
      }
      return job === undefined || id === job.task.id ? 'done' : 'duplicate';
    } catch (error) {
      client.release(error); // closed: the transaction ends with it
      throw error;
    }
  }

  /** Whoever comes second waits here for the first, and finds another record. */
  private async replace(
    client: TransactionClient,
    name: string,
    before: string | undefined,
    after: string | undefined,
  ): Promise<boolean> {
    const [text, values] = this.statement(name, before, after);
    const result = (await client.query(text, values)) as { rows: unknown[] };
    return result.rows.length === 1;
  }

  private statement(
    name: string,
    before: string | undefined,
    after: string | undefined,
  ): [string, unknown[]] {
    const { table } = this;
    if (before === undefined) {
      return after === undefined
        ? [`SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM ${table} WHERE name = $1)`, [name]]
        : [
            `INSERT INTO ${table} (name, record) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1`,
            [name, after],
          ];
    }
    return after === undefined
      ? [`DELETE FROM ${table} WHERE name = $1 AND record = $2 RETURNING 1`, [name, before]]
      : [
          `UPDATE ${table} SET record = $3 WHERE name = $1 AND record = $2 RETURNING 1`,
          [name, before, after],
        ];
  }
}
