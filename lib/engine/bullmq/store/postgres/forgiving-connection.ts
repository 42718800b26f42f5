import type { PostgresConnection } from 'bullmq';

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
