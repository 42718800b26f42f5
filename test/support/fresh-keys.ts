import { randomUUID } from 'node:crypto';
import { postgresClient } from './postgres-client.js';

export const freshPrefix = (): string => `t${randomUUID().slice(0, 8)}`;

/**
 * Keys, or a schema, for one test after the other: with nothing in it.
 *
 * PostgreSQL takes a while to make a schema, and little to empty one.
 */
export class FreshKeys {
  private schema: string | undefined;

  async for(url: string): Promise<string> {
    const isUsed = this.schema !== undefined;
    if (isUsed && !(await this.empty(url))) {
      this.schema = undefined;
    }
    this.schema ??= freshPrefix();
    return url.startsWith('postgres') ? this.schema : freshPrefix();
  }

  /** @returns whether it did: not where the server is away, or nobody has made a schema */
  private async empty(url: string): Promise<boolean> {
    if (!url.startsWith('postgres')) {
      return true;
    }
    const client = await postgresClient(url).catch(() => undefined);
    try {
      const { rows } = (await client?.query(
        `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
         WHERE schemaname = $1 AND tablename !~ 'migration'`,
        [this.schema],
      )) ?? { rows: [] };
      const names = (rows as { name: string }[]).map(({ name }) => name);
      if (names.length > 0) {
        await client?.query(`TRUNCATE ${names.join()}`);
      }
      return names.length > 0;
    } finally {
      await client?.end();
    }
  }
}
