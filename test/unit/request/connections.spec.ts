import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import { Connections } from '../../../lib/request/nest/connections.js';
import { FakeClock } from '../support/fake-clock.js';
import { collectGarbage } from '../../support/garbage.js';
import { FakeResponse, FakeSocket } from '../support/fake-response.js';

/** A client on one connection, and what it asks for. */
function clientOf(over: 'HTTP/1' | 'HTTP/2' = 'HTTP/1') {
  const clock = new FakeClock();
  const ended: number[] = [];
  const connections = new Connections(clock, (unread) => ended.push(unread));
  const socket = new FakeSocket();
  /** Of another client over HTTP/1: its answer has ended and waits for the one before it, which does not. */
  const pipelined = (tasks: number, turn: FakeSocket | null = null) => {
    const other = new FakeSocket();
    const waiting = connections.open(
      { req: { socket: other }, socket: turn, writableEnded: true },
      () => waiting.close(),
    );
    Array.from({ length: tasks }, () => waiting.added());
    other.once('close', () => waiting.close());
    return other;
  };
  const respond = () => ({
    req: { socket: over === 'HTTP/1' ? socket : new FakeSocket() },
    ...(over === 'HTTP/2' && { stream: { session: socket } }),
    writableEnded: false,
  });
  const request = (tasks: number) => {
    const response = respond();
    const waiting = connections.open(response, () => undefined);
    for (let count = 0; count < tasks; count += 1) {
      connections.check(response, waiting);
      waiting.added();
    }
    return { response, waiting };
  };
  return { clock, ended, connections, socket, pipelined, respond, request };
}

const REFUSED = expect.objectContaining({ code: 'BGT_UNREAD_ANSWERS', status: 503 });

describe('O2, P12: a connection', () => {
  it.each([
    ['HTTP/1', 100],
    ['HTTP/2', 1_000],
  ] as const)('over %s has at most %i waiting tasks, and is refused the next', (over, max) => {
    expect(() => clientOf(over).request(max + 1)).not.toThrow(); // all of one request
    const { connections, respond, request } = clientOf(over);
    const [first] = Array.from({ length: max }, () => request(1));
    expect(() => request(1)).toThrow(REFUSED);
    first?.waiting.close();
    expect(() => connections.check(respond(), undefined)).not.toThrow();
    expect(() => request(1)).not.toThrow();
  });

  it('is ended if the client goes on after a hundred refused requests, and over HTTP/2 is not', () => {
    for (const [over, isEnded] of [
      ['HTTP/1', true],
      ['HTTP/2', false],
    ] as const) {
      const { connections, socket, ended, respond, request } = clientOf(over);
      const [first] = Array.from({ length: over === 'HTTP/1' ? 100 : 1_000 }, () => request(1));
      const refused = (times: number) => {
        for (let time = 0; time < times; time += 1) {
          expect(() => connections.check(respond(), undefined)).toThrow(REFUSED);
        }
      };
      refused(99);
      first?.waiting.close();
      request(1);
      refused(98);
      const again = respond(); // its handler catches the error, and goes on
      for (let time = 0; time < 200; time += 1) {
        expect(() => connections.check(again, undefined)).toThrow(REFUSED);
      }
      expect(socket.destroyed).toBe(false);
      refused(2);
      expect([over, socket.destroyed, ended]).toEqual([over, isEnded, isEnded ? [100] : []]);
    }
  });

  it.each([
    ['HTTP/1', 12],
    ['HTTP/2', 11], // the first may have a slow client
  ] as const)(
    'over %s is ended if %i tasks wait for answers that ended ten seconds ago',
    async (over, unread) => {
      const { clock, socket, ended, request } = clientOf(over);
      const all = Array.from({ length: 12 }, () => request(1));
      await clock.advance(60_000);
      expect(socket.destroyed).toBe(false); // their handlers are at work
      all.forEach(({ response }) => (response.writableEnded = true));
      await clock.advance(10_000);
      expect(socket.destroyed).toBe(false);
      await clock.advance(10_000);
      expect([socket.destroyed, ended]).toEqual([true, [unread]]);
      all.forEach(({ waiting }) => waiting.close());
      expect(clock.pendingTimers).toBe(0);
    },
  );

  it('is not ended if the client reads and few tasks wait', async () => {
    const { clock, socket, request } = clientOf();
    const all = Array.from({ length: 12 }, () => request(1));
    all.forEach(({ response }) => (response.writableEnded = true));
    await clock.advance(15_000);
    all.slice(0, 3).forEach(({ waiting }) => waiting.close());
    await clock.advance(60_000);
    expect(socket.destroyed).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is ended if one answer with many tasks waits for its turn', async () => {
    const { clock, pipelined } = clientOf();
    const client = pipelined(10);
    await clock.advance(15_000);
    const other = pipelined(1);
    await clock.advance(5_000);
    expect([client.destroyed, other.destroyed]).toEqual([true, false]);
    other.destroy();
    expect(clock.pendingTimers).toBe(0);
  });

  it('is not ended while its answer is sent, however slowly the client reads', async () => {
    const { clock, pipelined } = clientOf();
    const client = pipelined(5_000, new FakeSocket());
    await clock.advance(60_000);
    expect(client.destroyed).toBe(false);
  });

  it('is ended although few tasks wait on it, once a thousand wait on all', async () => {
    const { clock, ended, pipelined } = clientOf();
    const clients = Array.from({ length: 111 }, () => pipelined(9));
    await clock.advance(60_000);
    expect(ended).toEqual([]);
    const last = pipelined(1);
    await clock.advance(20_000);
    expect(clients.filter(({ destroyed }) => !destroyed)).toEqual([]);
    expect(last.destroyed).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });
});

/** Watches a response. */
const open: Connections['open'] = (response, closed) => connections.open(response, closed);
const connections = new Connections(new FakeClock(), () => undefined);

describe('a response', () => {
  it('is over when it is torn down, though its connection goes on', async () => {
    const [response, closed] = [new FakeResponse(), jest.fn()];
    open(response, closed);
    response.destroy();
    await turnOfTheLoop();
    expect(closed).toHaveBeenCalledTimes(1);
  });

  it.each([{}, { req: { socket: { destroy: () => undefined } } }])(
    'P3: needs no connection that tells of its end: %j',
    (response) => {
      expect(() => connections.check(response, undefined)).not.toThrow();
      const answer = open(response, () => undefined);
      answer.added();
      answer.close();
      expect(answer.count).toBe(0);
    },
  );
});

describe('a connection with many responses', () => {
  it('keeps no response alive that is over', async () => {
    const socket = new FakeSocket();
    const callbacks: WeakRef<() => void>[] = [];
    const respond = (): FakeResponse => {
      const response = new FakeResponse(socket);
      const big = Array.from({ length: 1_000 }, () => 0);
      const callback = (): void => void big.length;
      callbacks.push(new WeakRef(callback));
      const waiting = open(response, () => {
        callback();
        waiting.close();
      });
      return response;
    };
    const last = respond();
    for (let index = 0; index < 20; index += 1) {
      respond().answer();
    }
    last.answer();
    await turnOfTheLoop();
    await collectGarbage();
    expect(callbacks.filter((each) => each.deref() !== undefined).length).toBeLessThan(5);
    expect(socket.listenerCount('close')).toBe(1);
  });
});
