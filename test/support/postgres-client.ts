/** What tests need of a client of `pg`. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  end(): Promise<void>;
}

/** Its types are a package of their own. */
export async function postgresClient(connectionString: string): Promise<PostgresClient> {
  const name: string = 'pg';
  const { default: pg } = (await import(name)) as {
    default: { Client: new (options: object) => PostgresClient & { connect(): Promise<void> } };
  };
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}
