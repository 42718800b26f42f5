import { randomUUID } from 'node:crypto';
import { postgresClient } from './postgres-client.js';

export const freshPrefix = (): string => `t${randomUUID().slice(0, 8)}`;

/**
 * An empty set of keys, or an empty schema, for each test. PostgreSQL takes a while to make a
 * schema, but empties one quickly.
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

  /** @returns false if the server is away, or the schema has not been made */
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
