import { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Stream } from 'node:stream';
import { UnreadAnswersError } from '../../errors/queue-full.error.js';
import type { Clock } from '../../task/clock.js';
import { LinkedList, type Linked } from '../../task/linked-list.js';
import { isResponseClosed } from './response.js';

/**
 * How many tasks may wait on a connection besides those of one request. Over HTTP/1 only a client
 * that pipelines has any; over HTTP/2 one connection may be a whole proxy.
 */
const MAX_WAITING = { one: 100, two: 1_000 } as const;

/**
 * A client over HTTP/1 that goes on after so many refused requests is not waited for: each refusal
 * costs more than most answers, and nobody else is served meanwhile.
 */
const MAX_REFUSED = 100;

/**
 * A client does not read if this many of its tasks wait for answers that ended this long ago: its
 * connection is destroyed. One task is enough if very many wait on all connections together.
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
  /** Over HTTP/1 `null` until the answers to earlier requests have been sent. */
  readonly socket?: Client | null;
  readonly writableEnded?: boolean;
}

/**
 * The connections on which tasks wait. A client could collect any number of tasks if it pipelines
 * behind an answer that does not end, or never reads: those responses never close.
 */
export class Connections {
  private readonly known = new WeakMap<Client, Connection>();
  private readonly waiting = new LinkedList<Connection>();
  /** The responses whose requests were refused a task. A handler may catch that, and ask again. */
  private readonly refused = new WeakSet<object>();
  private tasks = 0;
  private callOff: (() => void) | undefined = undefined;

  constructor(
    private readonly clock: Clock,
    private readonly onEnded: (unread: number) => void,
  ) {}

  /**
   * @param own the answer to the same request, whose tasks do not count
   * @throws UnreadAnswersError where the connection of `response` has no place for another task
   */
  check(response: object, own: Answer | undefined): void {
    const client = clientOf(response);
    const isOne = !(response as Response).stream?.session;
    const max = isOne ? MAX_WAITING.one : MAX_WAITING.two;
    const connection = client && this.known.get(client);
    if (connection !== undefined && connection.tasks - (own?.count ?? 0) >= max) {
      if (isOne && !this.refused.has(response)) {
        this.refused.add(response);
        connection.refused += 1;
        if (connection.refused === MAX_REFUSED) {
          this.end(connection, connection.tasks);
        }
      }
      throw new UnreadAnswersError(max);
    }
  }

  /**
   * Called with the first task of the request that `response` answers.
   *
   * @param closed called when the response is over as Nest judges it: it has finished or was torn
   * down, or its connection has closed. It may be called more than once
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
      // The events of stream.finished(), with two listeners in place of seven. Not `once`: the
      // response is garbage, and its listeners with it, before their removal would pay.
      response.on('finish', closed);
      if (!(response instanceof ServerResponse && client instanceof Socket)) {
        response.on('close', closed); // over HTTP/1 Node's response closes with its connection
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
        this.end(connection, unread);
      }
    }
    this.lookLater();
  }

  private end({ client }: Connection, unread: number): void {
    this.onEnded(unread);
    client.destroy();
  }
}

/** Over HTTP/2 each stream shows a socket of its own, and all streams share one session. */
function clientOf(response: object): Client | undefined {
  const { req, stream } = response as Response;
  const client = stream?.session ?? req?.socket;
  return typeof client?.destroy === 'function' ? client : undefined;
}

class Connection implements Linked<Connection> {
  before: Connection | undefined = undefined;
  behind: Connection | undefined = undefined;
  tasks = 0;
  /** How many requests in a row found no place for a task. */
  refused = 0;
  readonly answers = new LinkedList<Answer>();

  constructor(
    readonly client: Client,
    private readonly counted: (tasks: number) => void,
  ) {
    // One listener per connection: with one per pipelined request, their removal would be
    // quadratic. A pipelined response that waits for its turn never learns that its connection is
    // gone.
    client.once?.('close', () => [...this.answers].forEach(({ closed }) => closed()));
  }

  count(tasks: number): void {
    if (tasks !== 0) {
      this.tasks += tasks;
      this.refused = 0;
      this.counted(tasks);
    }
  }

  unreadSinceLastLook(): number {
    return [...this.answers].reduce((sum, answer) => sum + answer.unreadSinceLastLook(), 0);
  }
}

/** The answer to one request, and how many tasks wait for it to be read. */
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

  added(): void {
    this.count += 1;
    this.connection?.count(1);
  }

  /** The tasks are released. */
  close(): void {
    this.connection?.answers.delete(this);
    this.connection?.count(-this.count);
    this.count = 0;
  }

  /** An answer that is being sent may have a slow client. Only the answers behind it count. */
  unreadSinceLastLook(): number {
    const { hadEnded, count, response } = this;
    const isBehind = response.stream?.session ? this.before !== undefined : !response.socket;
    this.hadEnded = isBehind && response.writableEnded === true;
    return hadEnded && isBehind ? count : 0;
  }
}
