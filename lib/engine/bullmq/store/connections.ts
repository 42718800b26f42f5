import type { LoggerService } from '@nestjs/common';
import type { PostgresConnection } from 'bullmq';
import type { Redis } from 'ioredis';
import { MissingPeerError } from '../../../errors/missing-peer.error.js';

/** For the `catch` of the import of an optional peer. */
export function missing(peer: string): (error: unknown) => never {
  return (error) => {
    throw new MissingPeerError('nestjs-background-tasks/bullmq', [peer], { cause: error });
  };
}

/** Whether the store itself refused, which a code of BullMQ shows, rather than the connection to it. */
export function isAnswer(error: unknown): boolean {
  return typeof (error as { code?: unknown } | null)?.code === 'number';
}

/** PostgreSQL's `cannot_connect_now`: the server is starting or stopping. */
const CANNOT_CONNECT_NOW = '57P03';

/** Whether a command cannot have arrived, because no connection could be made. */
export function isUnsent(error: unknown): boolean {
  const { syscall, code } = (error ?? {}) as { syscall?: unknown; code?: unknown };
  return syscall === 'connect' || code === CANNOT_CONNECT_NOW;
}

/** How long a repeated error of a store is not logged again, in milliseconds. */
const QUIET_MS = 10_000;

/**
 * Logs the errors of a store's connections. While the store is down each connection reports several a
 * second, so an error that repeats is logged every {@link QUIET_MS} only.
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

/** An error with several causes (one for each address of a host) has an empty message. */
function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(describeError).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}

/** How often a connection is pinged, and how long it may take to answer, in milliseconds. */
const SILENT_MS = 4_000;

/**
 * Replaces a connection that is open but dead, because a firewall or a failover forgot it. Its commands
 * would wait for minutes until the system gives it up. Not for connections on which BullMQ blocks: BullMQ
 * has a watchdog of its own, and a ping behind a blocking command is not answered.
 *
 * @returns ends the check when the connection is no longer needed
 */
export function keepAlive(client: Redis, errors: ErrorLog): () => void {
  let isSilent = false;
  const answered = (): void => {
    isSilent = false;
  };
  const giveUp = (): void => {
    if (isSilent) {
      isSilent = false;
      errors.report(`a connection has not answered for ${SILENT_MS / 1_000} s and is replaced`);
      client.disconnect(true);
    }
  };
  const ask = (): void => {
    const { status } = client;
    if (isSilent) {
      // If this process itself stood still, the answer has arrived but was not read yet.
      setImmediate(giveUp);
    } else if (status === 'ready') {
      isSilent = true;
      client.ping().then(answered, (error: unknown) => {
        if ((error as Error).name === 'ReplyError') {
          answered();
        }
      });
    } else {
      // At `connect` the socket is open, but the server has not answered the first commands.
      isSilent = status === 'connect';
    }
  };
  const timer = setInterval(ask, SILENT_MS);
  timer.unref();
  client.on('close', answered);
  client.on('ready', answered);
  const stop = (): void => clearInterval(timer);
  client.on('end', stop);
  return stop; // a client given up while it waits to reconnect emits no `end`
}

/**
 * How many commands share a write. If all commands of a turn went out together, the server would wait while
 * this process works, and then this process while the server does.
 */
const AT_ONCE = 8;

/**
 * Sends the commands of one turn of the event loop in few writes. A write for each command would cost this
 * process and the server more than most commands do.
 */
export function batchWrites(client: Redis): void {
  // Every connect brings a new stream.
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
        // Runs after everything that this turn's input leads to, and before the loop waits for more.
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

/** A private field of BullMQ's `PostgresConnection`. */
interface Remembered {
  readyPromise: Promise<void> | undefined;
}

/**
 * Mends two faults of BullMQ 6.7. BullMQ remembers a failed connect for ever; here the next caller tries
 * again. BullMQ does not listen to the errors of a client checked out of the pool; such an error would end
 * the process, although the command fails with it as well.
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
