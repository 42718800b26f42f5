import { describe, expect, it } from '@jest/globals';
import { Connections } from '../../../lib/request/nest/connections.js';
import { FakeClock } from '../support/fake-clock.js';
import { FakeSocket } from '../support/fake-response.js';

/** A client on one connection, and what it asks for. */
function clientOf(over: 'HTTP/1' | 'HTTP/2' = 'HTTP/1') {
  const clock = new FakeClock();
  const ended: number[] = [];
  const connections = new Connections(clock, (unread) => ended.push(unread));
  const socket = new FakeSocket();
  const respond = () => ({
    req: { socket: over === 'HTTP/1' ? socket : new FakeSocket() },
    ...(over === 'HTTP/2' && { stream: { session: socket } }),
    writableEnded: false,
  });
  const request = (tasks: number) => {
    const response = respond();
    const waiting = connections.open(response);
    for (let count = 0; count < tasks; count += 1) {
      connections.check(response, waiting);
      waiting?.added();
    }
    return { response, waiting };
  };
  return { clock, ended, connections, socket, respond, request };
}

const REFUSED = expect.objectContaining({ code: 'BGT_UNREAD_ANSWERS', status: 503 });

describe('O2, P12: a connection', () => {
  it.each([
    ['HTTP/1', 100],
    ['HTTP/2', 1_000],
  ] as const)('over %s has %i tasks that wait, and is refused the next', (over, max) => {
    const { connections, respond, request } = clientOf(over);
    const [first] = Array.from({ length: max }, () => request(1));
    expect(() => request(1)).toThrow(REFUSED);
    first?.waiting?.close();
    expect(() => connections.check(respond(), undefined)).not.toThrow();
    expect(() => request(1)).not.toThrow();
  });

  it('takes as many from one request as that adds', () => {
    const { request } = clientOf();
    request(99);
    request(5_000);
    expect(() => request(1)).toThrow(REFUSED);
  });

  it('is ended where many tasks wait for answers that ended ten seconds ago', async () => {
    const { clock, socket, ended, request } = clientOf();
    const all = Array.from({ length: 12 }, () => request(1));
    await clock.advance(60_000);
    expect(socket.destroyed).toBe(false); // their handlers are at work
    all.forEach(({ response }) => (response.writableEnded = true));
    await clock.advance(10_000);
    expect(socket.destroyed).toBe(false);
    await clock.advance(10_000);
    expect([socket.destroyed, ended]).toEqual([true, [12]]);
    all.forEach(({ waiting }) => waiting?.close());
    expect(clock.pendingTimers).toBe(0);
  });

  it('is not ended where the client reads, or few wait', async () => {
    const { clock, socket, request } = clientOf();
    const all = Array.from({ length: 12 }, () => request(1));
    all.forEach(({ response }) => (response.writableEnded = true));
    await clock.advance(15_000);
    all.slice(0, 3).forEach(({ waiting }) => waiting?.close());
    await clock.advance(60_000);
    expect(socket.destroyed).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is none where a response shows none', () => {
    const { connections } = clientOf();
    expect(connections.open({})).toBeUndefined();
    expect(() => connections.check({}, undefined)).not.toThrow();
  });
});
