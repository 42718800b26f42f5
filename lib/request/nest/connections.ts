import { UnreadAnswersError } from '../../errors/queue-full.error.js';
import type { Clock } from '../../task/clock.js';

/**
 * So many tasks may wait on a connection besides those of one request. Over HTTP/1 only a client that
 * does not wait for its answers has any; over HTTP/2 one connection may be a whole proxy.
 */
const MAX_WAITING = { one: 100, two: 1_000 } as const;

/** Where so many wait for answers that ended this long ago, the client does not read: it is let go. */
const MANY_UNREAD = 10;
const UNREAD_MS = 10_000;

interface Destroyable {
  destroy(): unknown;
}

/** The part of Node's response that is needed here, over HTTP/1 and HTTP/2. */
interface Answering {
  readonly req?: { readonly socket?: Destroyable | null };
  readonly stream?: { readonly session?: Destroyable | null };
  readonly writableEnded?: boolean;
}

/** The tasks of one request, which wait for its answer to be read. */
export interface WaitingTasks {
  readonly count: number;
  /** One more. */
  added(): void;
  /** They are on their way. */
  close(): void;
}

/**
 * The connections on which tasks wait. A client that asks on behind an answer which does not end, or
 * that never reads, could have any number of them collected: those responses never close.
 */
export class Connections {
  private readonly known = new WeakMap<Destroyable, Connection>();

  constructor(
    private readonly clock: Clock,
    private readonly onEnded: (unread: number) => void,
  ) {}

  /**
   * @param own those of the same request that wait already
   * @throws UnreadAnswersError where the connection of `response` has no place for one more
   */
  check(response: object, own: WaitingTasks | undefined): void {
    const key = keyOf(response);
    const { stream } = response as Answering;
    const max = stream?.session ? MAX_WAITING.two : MAX_WAITING.one;
    const waiting = (key && this.known.get(key)?.tasks) ?? 0;
    if (waiting - (own?.count ?? 0) >= max) {
      throw new UnreadAnswersError(max);
    }
  }

  /** The request that is answered by `response` has its first task. */
  open(response: object): WaitingTasks | undefined {
    const key = keyOf(response);
    if (key === undefined) {
      return undefined;
    }
    let connection = this.known.get(key);
    if (connection === undefined) {
      connection = new Connection(key, this.clock, this.onEnded);
      this.known.set(key, connection);
    }
    return new Answer(connection, response);
  }
}

/** Over HTTP/2 each stream shows a socket of its own, and one session is behind them all. */
function keyOf(response: object): Destroyable | undefined {
  const { req, stream } = response as Answering;
  const key = stream?.session ?? req?.socket;
  return typeof key?.destroy === 'function' ? key : undefined;
}

class Connection {
  tasks = 0;
  readonly answers = new Set<Answer>();
  private callOff: (() => void) | undefined = undefined;

  constructor(
    private readonly socket: Destroyable,
    private readonly clock: Clock,
    private readonly onEnded: (unread: number) => void,
  ) {}

  count(tasks: number): void {
    this.tasks += tasks;
    if (this.tasks < MANY_UNREAD || this.answers.size < 2) {
      this.callOff?.();
      this.callOff = undefined;
    } else {
      this.callOff ??= this.clock.after(UNREAD_MS, () => this.look());
    }
  }

  private look(): void {
    const unread = [...this.answers].reduce((sum, answer) => sum + answer.unreadSinceLastLook(), 0);
    this.callOff = undefined;
    if (unread >= MANY_UNREAD) {
      this.onEnded(unread);
      this.socket.destroy();
    } else {
      this.count(0);
    }
  }
}

class Answer implements WaitingTasks {
  count = 0;
  private hadEnded = false;

  constructor(
    private readonly connection: Connection,
    private readonly response: Answering,
  ) {
    connection.answers.add(this);
  }

  added(): void {
    this.count += 1;
    this.connection.count(1);
  }

  close(): void {
    this.connection.answers.delete(this);
    this.connection.count(-this.count);
    this.count = 0;
  }

  unreadSinceLastLook(): number {
    const { hadEnded, count } = this;
    this.hadEnded = this.response.writableEnded === true;
    return hadEnded ? count : 0;
  }
}
