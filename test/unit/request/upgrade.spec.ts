import { Socket } from 'node:net';
import { expect, it, jest } from '@jest/globals';
import { watchUpgrade } from '../../../lib/request/nest/upgrade.js';

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\n\r\n';
const MOVED = 'HTTP/1.1 302 Found\r\n\r\n';

function createUpgrade() {
  const socket = new Socket();
  const wrapped = ['write', 'end'] as const;
  wrapped.forEach((name) => jest.spyOn(socket, name).mockReturnValue(true as never));
  const takenOver = jest.fn<(status: number) => void>();
  const watch = () => watchUpgrade({ upgrade: true }, { socket }, takenOver);
  return { socket, takenOver, watch };
}

it.each([
  ['in one piece', (socket: Socket) => socket.write(MOVED)],
  ['as bytes', (socket: Socket) => socket.write(new TextEncoder().encode(MOVED))],
  ['with the end of the connection', (socket: Socket) => socket.end(MOVED)],
  [
    'after early hints',
    (socket: Socket) => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n') && socket.end(MOVED),
  ],
])('P3: the status that somebody else writes is seen: %s', (_how, refuse) => {
  const { socket, takenOver, watch } = createUpgrade();
  watch();
  refuse(socket);
  expect(takenOver.mock.calls).toEqual([[302]]);
});

it('P3: the end of a connection alone is no status', () => {
  const { socket, takenOver, watch } = createUpgrade();
  watch();
  socket.end(() => undefined);
  expect(takenOver).not.toHaveBeenCalled();
});

it('P20: a socket that was taken over has its own functions again', () => {
  class Inheriting {
    write(_piece: string): void {}
    end(): void {}
  }
  const { write, end } = new Inheriting();
  for (const own of [{}, { write, end }]) {
    const socket = Object.assign(new Inheriting(), own);
    const before = Object.getOwnPropertyDescriptors(socket);
    watchUpgrade({ upgrade: true }, { socket }, () => undefined);
    socket.write(SWITCHING);
    expect(Object.getOwnPropertyDescriptors(socket)).toEqual(before);
  }
});

it('P20: nothing reads what goes through a socket that was taken over, even behind another function', () => {
  const { socket, takenOver, watch } = createUpgrade();
  watch();
  const { write } = socket;
  socket.write = (...args: unknown[]) => Reflect.apply(write, socket, args) as boolean;
  [SWITCHING, 'frame'].forEach((piece) => socket.write(piece));
  expect(takenOver.mock.calls).toEqual([[101]]);
});
