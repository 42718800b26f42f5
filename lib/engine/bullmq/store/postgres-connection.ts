import type { PostgresConnection } from 'bullmq';
import type { TransactionClient } from '../../../task/transaction-client.js';

/** What BullMQ remembers of it, which is not meant to be seen from outside. */
interface Remembered {
  readyPromise: Promise<void> | undefined;
}

/**
 * BullMQ remembers for ever that a connection could not be made, where the server took the one before
 * and refused this one: all are in use, it restarts. Here the next one to ask tries again.
 */
export function forgiving(connection: PostgresConnection): PostgresConnection {
  const remembered = connection as unknown as Remembered;
  const waitUntilReady = connection.waitUntilReady.bind(connection);
  connection.waitUntilReady = async () => {
    const ready = waitUntilReady();
    const { readyPromise } = remembered;
    try {
      await ready;
    } catch (error) {
      if (remembered.readyPromise === readyPromise) {
        remembered.readyPromise = undefined;
      }
      throw error;
    }
  };
  return connection;
}

/** What BullMQ's commands on PostgreSQL ask of a connection. */
interface Connection {
  readonly schema: string;
  readonly isClosing: undefined;
  waitUntilReady(): Promise<void>;
  readonly pool: { query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> };
}

/** A connection that is somebody else's, and that BullMQ can neither wait for nor close. */
export function connectionOf(client: TransactionClient, schema: string): Connection {
  return {
    schema,
    isClosing: undefined,
    waitUntilReady: () => Promise.resolve(),
    pool: { query: async (text, values) => ({ rows: await rowsOf(client, text, values) }) },
  };
}

/**
 * Calls `act` while unqualified names mean those of `schema`, as BullMQ's do: in the transaction that
 * is open on `client` only, and afterwards no more.
 *
 * @returns what `act` does, or `undefined` where no transaction is open: `act` was not called then
 */
export async function inSchema<T>(
  client: TransactionClient,
  schema: string,
  act: () => Promise<T>,
): Promise<{ readonly result: T } | undefined> {
  const own = `"${schema.replaceAll('"', '""')}"`;
  const before = await searchPathOf(client);
  await setSearchPath(client, own);
  // Outside of a transaction it is over already.
  if ((await searchPathOf(client)) !== own) {
    return undefined;
  }
  const result = await act();
  // Where it has failed the transaction is aborted, and its settings go with it.
  await setSearchPath(client, before);
  return { result };
}

async function searchPathOf(client: TransactionClient): Promise<string> {
  const rows = await rowsOf(client, "SELECT current_setting('search_path') AS path");
  return (rows[0] as { path: string }).path;
}

async function setSearchPath(client: TransactionClient, path: string): Promise<void> {
  await client.query("SELECT set_config('search_path', $1, true)", [path]);
}

/** `pg` gives an object with the rows, TypeORM the rows. */
async function rowsOf(
  client: TransactionClient,
  text: string,
  values?: unknown[],
): Promise<unknown[]> {
  const result = await client.query(text, values);
  return Array.isArray(result) ? result : ((result as { rows?: unknown[] }).rows ?? []);
}
