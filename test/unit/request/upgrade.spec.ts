import { Socket } from 'node:net';
import { expect, it, jest } from '@jest/globals';
import { watchUpgrade } from '../../../lib/request/nest/upgrade.js';

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\n\r\n';

function createUpgrade(wrap: (socket: Socket) => void = () => undefined) {
  const socket = new Socket();
  const written = jest.spyOn(socket, 'write').mockReturnValue(true);
  const takenOver = jest.fn<(status: number) => void>();
  watchUpgrade({ upgrade: true }, { socket }, takenOver);
  wrap(socket);
  return { socket, written, takenOver };
}

it('P20: a socket that was taken over has its own function again', () => {
  for (const isInherited of [true, false]) {
    const socket = Object.create({ write: () => true }) as Socket;
    if (!isInherited) socket.write = () => false;
    const before = Object.getOwnPropertyDescriptor(socket, 'write');
    watchUpgrade({ upgrade: true }, { socket }, () => undefined);
    expect(socket.write(SWITCHING)).toBe(isInherited);
    expect(Object.getOwnPropertyDescriptor(socket, 'write')).toEqual(before);
  }
});

it('P20: nothing reads what goes through a socket that was taken over, even behind another function', () => {
  const { socket, written, takenOver } = createUpgrade((each) => {
    const { write } = each;
    each.write = (...args: unknown[]) => Reflect.apply(write, each, args) as boolean;
  });
  const frame = Object.assign(Buffer.from('frame'), { toString: jest.fn(() => 'frame') });
  socket.write('HTTP/1.1 103 Early Hints\r\n\r\n');
  expect(takenOver).not.toHaveBeenCalled();
  socket.write(SWITCHING);
  socket.write(frame);
  expect(takenOver.mock.calls).toEqual([[101]]);
  expect(frame.toString).not.toHaveBeenCalled();
  expect(written).toHaveBeenCalledTimes(3);
});
