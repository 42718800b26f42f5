import type { PostgresConnection } from 'bullmq';
import type { TransactionClient } from '../../../task/transaction-client.js';

/** What BullMQ remembers of it, which is not meant to be seen from outside. */
interface Remembered {
  readyPromise: Promise<void> | undefined;
}

/**
 * Mends two faults of BullMQ 6.7. It remembers a connection that could not be made for ever; here the next
 * caller tries again. It does not listen to the errors of a client that is checked out of the pool; such an
 * error would end the process, although the command fails with it as well.
 */
export function forgiving(connection: PostgresConnection): PostgresConnection {
  connection.pool.on('connect', (client) => client.on('error', ignore));
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

const ignore = (): void => undefined;

/** What BullMQ's commands on PostgreSQL ask of a connection. */
interface Connection {
  readonly schema: string;
  readonly isClosing: undefined;
  waitUntilReady(): Promise<void>;
  readonly pool: { query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> };
}

/**
 * A connection that is somebody else's, and that BullMQ can neither wait for nor close. Names mean what its owner has
 * set: the function that adds a job is called by its full name, and finds all others itself.
 */
export function connectionOf(client: TransactionClient, schema: string): Connection {
  const query = async (text: string, values?: unknown[]): Promise<{ rows: unknown[] }> => {
    const named = text.replace('SELECT add_job(', `SELECT "${schema}".add_job(`);
    return { rows: await rowsOf(client, named, values) };
  };
  return {
    schema,
    isClosing: undefined,
    waitUntilReady: () => Promise.resolve(),
    pool: { query },
  };
}

/** Whether a transaction is open: outside of one, a setting that is local to it is lost at once. */
export async function isInTransaction(client: TransactionClient): Promise<boolean> {
  await client.query("SELECT set_config('background_tasks.is_open', 'yes', true)");
  const [row] = await rowsOf(
    client,
    "SELECT current_setting('background_tasks.is_open', true) AS is_open",
  );
  return (row as { is_open: string | null } | undefined)?.is_open === 'yes';
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
