import { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Stream } from 'node:stream';
import { UnreadAnswersError } from '../../errors/queue-full.error.js';
import type { Clock } from '../../task/clock.js';
import { LinkedList, type Linked } from '../../task/linked-list.js';
import { isResponseClosed } from './response.js';

/**
 * So many tasks may wait on a connection besides those of one request. Over HTTP/1 only a client that
 * does not wait for its answers has any; over HTTP/2 one connection may be a whole proxy.
 */
const MAX_WAITING = { one: 100, two: 1_000 } as const;

/**
 * Where so many wait for answers that ended this long ago, the client does not read: it is let go. It
 * may have fewer where it is one of many that do the same.
 */
const MANY_UNREAD = 10;
const MANY_IN_ALL = 1_000;
const UNREAD_MS = 10_000;

/** The part of a socket, or of a session over HTTP/2, that is needed here. */
interface Client {
  destroy(): unknown;
  once?(event: 'close', listener: () => void): unknown;
}

/** The part of Node's response that is needed here, over HTTP/1 and HTTP/2. */
interface Response {
  readonly req?: { readonly socket?: Client | null };
  readonly stream?: { readonly session?: Client | null };
  /** Over HTTP/1 `null` until those that were asked for before have been sent. */
  readonly socket?: Client | null;
  readonly writableEnded?: boolean;
}

/**
 * The connections on which tasks wait. A client that asks on behind an answer which does not end, or
 * that never reads, could have any number of them collected: those responses never close.
 */
export class Connections {
  private readonly known = new WeakMap<Client, Connection>();
  private readonly waiting = new LinkedList<Connection>();
  private tasks = 0;
  private callOff: (() => void) | undefined = undefined;

  constructor(
    private readonly clock: Clock,
    private readonly onEnded: (unread: number) => void,
  ) {}

  /**
   * @param own those of the same request that wait already
   * @throws UnreadAnswersError where the connection of `response` has no place for one more
   */
  check(response: object, own: Answer | undefined): void {
    const client = clientOf(response);
    const max = (response as Response).stream?.session ? MAX_WAITING.two : MAX_WAITING.one;
    const waiting = (client && this.known.get(client)?.tasks) ?? 0;
    if (waiting - (own?.count ?? 0) >= max) {
      throw new UnreadAnswersError(max);
    }
  }

  /**
   * The request that is answered by `response` has its first task.
   *
   * @param closed called when the response is over the way Nest judges it: it has finished or was torn
   * down, or its connection has closed; maybe more than once
   */
  open(response: object, closed: () => void): Answer {
    const client = clientOf(response);
    let connection = client && this.known.get(client);
    if (client !== undefined && connection === undefined) {
      connection = new Connection(client, (count) => this.count(connection as Connection, count));
      this.known.set(client, connection);
    }
    if (isResponseClosed(response)) {
      closed();
    } else if (response instanceof Stream) {
      // What stream.finished() waits for, with two listeners in place of seven. Not `once`: the
      // response goes, and they with it, sooner than it would pay to take them away.
      response.on('finish', closed);
      if (!(response instanceof ServerResponse && client instanceof Socket)) {
        response.on('close', closed); // Node's own over HTTP/1 is torn down with its connection
      }
    }
    return new Answer(connection, response, closed);
  }

  private count(connection: Connection, tasks: number): void {
    this.tasks += tasks;
    if (connection.tasks === tasks) {
      this.waiting.add(connection);
    } else if (connection.tasks === 0) {
      this.waiting.delete(connection);
    }
    if (this.tasks === 0) {
      this.callOff?.();
      this.callOff = undefined;
    }
    this.lookLater();
  }

  private lookLater(): void {
    if (this.tasks >= MANY_UNREAD) {
      this.callOff ??= this.clock.after(UNREAD_MS, () => this.look());
    }
  }

  private look(): void {
    this.callOff = undefined;
    const many = this.tasks < MANY_IN_ALL ? MANY_UNREAD : 1;
    for (const connection of this.waiting) {
      const unread = connection.unreadSinceLastLook();
      if (unread >= many) {
        this.onEnded(unread);
        connection.client.destroy();
      }
    }
    this.lookLater();
  }
}

/** Over HTTP/2 each stream shows a socket of its own, and one session is behind them all. */
function clientOf(response: object): Client | undefined {
  const { req, stream } = response as Response;
  const client = stream?.session ?? req?.socket;
  return typeof client?.destroy === 'function' ? client : undefined;
}

class Connection implements Linked<Connection> {
  before: Connection | undefined = undefined;
  behind: Connection | undefined = undefined;
  tasks = 0;
  readonly answers = new LinkedList<Answer>();

  constructor(
    readonly client: Client,
    private readonly counted: (tasks: number) => void,
  ) {
    // One listener, however many requests a client pipelines: a listener for each would make their
    // removal quadratic. A pipelined response that waits for its turn never learns that it is gone.
    client.once?.('close', () => [...this.answers].forEach(({ closed }) => closed()));
  }

  count(tasks: number): void {
    if (tasks !== 0) {
      this.tasks += tasks;
      this.counted(tasks);
    }
  }

  unreadSinceLastLook(): number {
    return [...this.answers].reduce((sum, answer) => sum + answer.unreadSinceLastLook(), 0);
  }
}

/** The tasks of one request, which wait for its answer to be read. */
export class Answer implements Linked<Answer> {
  before: Answer | undefined = undefined;
  behind: Answer | undefined = undefined;
  count = 0;
  private hadEnded = false;

  constructor(
    private readonly connection: Connection | undefined,
    private readonly response: Response,
    readonly closed: () => void,
  ) {
    connection?.answers.add(this);
  }

  /** One more. */
  added(): void {
    this.count += 1;
    this.connection?.count(1);
  }

  /** They are on their way. */
  close(): void {
    this.connection?.answers.delete(this);
    this.connection?.count(-this.count);
    this.count = 0;
  }

  /** One that is being sent may go to a client that is slow: it is those behind it that count. */
  unreadSinceLastLook(): number {
    const { hadEnded, count, response } = this;
    const isBehind = response.stream?.session ? this.before !== undefined : !response.socket;
    this.hadEnded = isBehind && response.writableEnded === true;
    return hadEnded && isBehind ? count : 0;
  }
}
