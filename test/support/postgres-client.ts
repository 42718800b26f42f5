/** The part of a `pg` client that tests need. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  end(): Promise<void>;
}

/** The types of `pg` are a package of their own. */
export async function postgresClient(connectionString: string): Promise<PostgresClient> {
  const name: string = 'pg';
  const { default: pg } = (await import(name)) as {
    default: { Client: new (options: object) => PostgresClient & { connect(): Promise<void> } };
  };
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}
