import type { Redis } from 'ioredis';
import type { ErrorLog } from './store-errors.js';

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

/**
 * So many commands go out at once. All of a turn's would keep the server waiting while this process
 * works, and then this process while the server does.
 */
const AT_ONCE = 8;

/**
 * Sends what a connection is given in one turn of the event loop in few writes. Each command would
 * else be a write of its own, which costs this process and the server more than most commands do.
 */
export function batchWrites(client: Redis): void {
  // Every time it is connected it has another stream.
  client.on('connect', () => {
    const { stream } = client;
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
    let held = 0;
    let isDue = false;
    const send = (): void => {
      if (held > 0) {
        held = 0;
        stream.uncork();
      }
    };
    stream.write = (...args: unknown[]) => {
      if (held === 0) {
        stream.cork();
      }
      if (!isDue) {
        isDue = true;
        // After all that this turn's input leads to, and before the next is waited for.
        setImmediate(() => {
          isDue = false;
          send();
        });
      }
      held += 1;
      const isBelowMark = write(...args);
      if (held === AT_ONCE) {
        send();
      }
      return isBelowMark;
    };
  });
}
