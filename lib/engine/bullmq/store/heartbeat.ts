import type { Redis } from 'ioredis';
import type { ErrorLog } from './error-log.js';

/** How long a connection may be silent before it is asked, and how long before it has answered. */
const SILENT_MS = 4_000;

/**
 * A connection may be dead and open: a firewall or a failover has forgotten it. Whoever waits on it would
 * wait until the system gives it up, which takes minutes. Not for connections on which BullMQ blocks: it
 * has a watchdog of its own, and what is asked behind a blocking command is not answered.
 *
 * @returns to be called when the connection is no longer needed
 */
export function keepAlive(client: Redis, errors: ErrorLog): () => void {
  let isSilent = false;
  const answered = (): void => {
    isSilent = false;
  };
  const giveUp = (): void => {
    if (isSilent) {
      isSilent = false;
      errors.report(`a connection has not answered for ${SILENT_MS / 1_000} s, and is made anew`);
      client.disconnect(true);
    }
  };
  const ask = (): void => {
    const { status } = client;
    if (isSilent) {
      // Where this process itself stood still, the answer is there and has not been read.
      setImmediate(giveUp);
    } else if (status === 'ready') {
      isSilent = true;
      client.ping().then(answered, (error: unknown) => {
        if ((error as Error).name === 'ReplyError') {
          answered();
        }
      });
    } else {
      // It is connected, and what it asks the server first is not answered.
      isSilent = status === 'connect';
    }
  };
  const timer = setInterval(ask, SILENT_MS);
  timer.unref();
  client.on('close', answered);
  client.on('ready', answered);
  return () => clearInterval(timer);
}
