import type { LoggerService } from '@nestjs/common';
import type { PostgresConnection } from 'bullmq';
import type { Redis } from 'ioredis';
import { MissingPeerError } from '../../../errors/missing-peer.error.js';

/** For the `catch` of an import of an optional peer. */
export function missing(peer: string): (error: unknown) => never {
  return (error) => {
    throw new MissingPeerError('nestjs-background-tasks/bullmq', [peer], { cause: error });
  };
}

/** Whether it was the store that refused, by a code of BullMQ's: not the way to it. */
export function isAnswer(error: unknown): boolean {
  return typeof (error as { code?: unknown } | null)?.code === 'number';
}

/** PostgreSQL's answer to who connects while it starts or stops: `cannot_connect_now`. */
const CANNOT_CONNECT_NOW = '57P03';

/** Whether a command cannot have arrived, because there was nobody to connect to. */
export function isUnsent(error: unknown): boolean {
  const { syscall, code } = (error ?? {}) as { syscall?: unknown; code?: unknown };
  return syscall === 'connect' || code === CANNOT_CONNECT_NOW;
}

/** How long the same trouble of a store is not mentioned again, in milliseconds. */
const QUIET_MS = 10_000;

/**
 * What a store's connections complain about. Every one of them does while the store is down, several
 * times a second: it is said once, and again when it goes on.
 */
export class ErrorLog {
  private readonly saidAt = new Map<string, number>();
  private isDown = false;

  constructor(
    private readonly label: string,
    private readonly logger: LoggerService,
  ) {}

  readonly report = (error: unknown): void => {
    const text = describeError(error);
    const now = Date.now();
    this.isDown = true;
    if (now - (this.saidAt.get(text) ?? 0) >= QUIET_MS) {
      this.saidAt.clear();
      this.saidAt.set(text, now);
      this.logger.error(`${this.label}: ${text}`);
    }
  };

  readonly recovered = (): void => {
    if (this.isDown) {
      this.isDown = false;
      this.saidAt.clear();
      this.logger.log(`${this.label}: connected`);
    }
  };
}

/** The message of an error with several causes (one for each address of a host) is empty. */
function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(describeError).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}

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
  const stop = (): void => clearInterval(timer);
  client.on('end', stop);
  return stop; // one that is given up while it waits to connect again does not end
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
