import { expect, it } from '@jest/globals';
import { send } from '../support/client.js';
import { onEachPlatform } from '../support/platforms.js';
import { startClosingApp } from './start-closing-app.js';

onEachPlatform(({ name: platform }) => {
  it('P13: a task that runs still has the databases, whichever hook they close in', async () => {
    const { child, port } = await startClosingApp({ platform });

    await send(port, '/held');
    await child.line('held began');
    child.signal('SIGTERM');
    await child.line('told to stop');
    child.tell('end the task');

    expect(await child.ended).toEqual({ code: null, signal: 'SIGTERM' });
    expect(child.lines.filter((line) => !/^(port|told|closed)/.test(line))).toEqual([
      'held began',
      'held ended with prisma, typeorm',
      'held completed',
      'prisma disconnected',
      'databases shut down, typeorm open: true',
    ]);
  });

  it('P13: a request in flight is served, and what it adds while tasks run has the databases, too', async () => {
    const { child, port } = await startClosingApp({ platform });

    await send(port, '/held');
    await child.line('held began');
    const reply = send(port, '/in-flight');
    await child.line('handler began');
    child.signal('SIGTERM');
    await child.line('told to stop');
    child.tell('end the handler');
    expect((await reply).body).toBe('in time');
    await child.line('late completed');
    child.tell('end the task');

    expect(await child.ended).toEqual({ code: null, signal: 'SIGTERM' });
    expect(child.lines).toEqual(
      expect.arrayContaining([
        'late ended with prisma, typeorm',
        'held ended with prisma, typeorm',
      ]),
    );
  });

  it('P13: a request in flight that outlasts the tasks is served, and its own have what closes last', async () => {
    const { child, port } = await startClosingApp({ platform });

    const reply = send(port, '/in-flight');
    await child.line('handler began');
    child.signal('SIGTERM');
    await child.line('prisma disconnected');
    child.tell('end the handler');
    expect((await reply).body).toBe('in time');

    expect(await child.ended).toEqual({ code: null, signal: 'SIGTERM' });
    expect(child.lines.slice(child.lines.indexOf('prisma disconnected'))).toEqual([
      'prisma disconnected',
      'late ended with no prisma, typeorm',
      'late completed',
      'databases shut down, typeorm open: true',
    ]);
  });
});
