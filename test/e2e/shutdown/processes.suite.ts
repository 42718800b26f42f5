import { expect, it } from '@jest/globals';
import { startServer } from '../support/child-app.js';
import { send } from '../support/client.js';
import { onEachPlatform } from '../support/platforms.js';

// What is not about requests is the same on both platforms.
const PLATFORM = 'Fastify';
const WHY: Record<string, string> = {
  heeds: 'its attempt had not ended',
  heedless: 'its attempt had not ended',
  waits: 'its turn had not come',
  tomorrow: 'its delay was not over',
};
const KILLED = { code: null, signal: 'SIGTERM' };

it('P13: after drainTimeout signals abort, and what is left is listed by name and id', async () => {
  const { child, port } = await startServer('closing-app.ts', {
    platform: PLATFORM,
    options: { drainTimeout: 200 },
  });

  const { body } = await send(port, '/endless');
  const titles = JSON.parse(body) as string[];
  expect(titles).toHaveLength(4);
  await child.line('heeds began');
  await child.line('heedless began');
  const toldAt = performance.now();
  child.signal('SIGTERM');

  expect(await child.ended).toEqual(KILLED);
  // The timeout, and the second that the heedless one was given.
  expect(performance.now() - toldAt).toBeGreaterThan(1_100);
  expect(child.all('error ').toSorted()).toEqual(
    titles
      .map((title) => {
        const why = `${WHY[title.split(' ')[0] ?? '']} when the application shut down`;
        return `error Task ${title} was abandoned: ${why}`;
      })
      .toSorted(),
  );
  expect(child.lines).toContain('heeds was aborted: TaskAbandonedError');
  expect(child.lines).not.toContain('waits began');
  expect(child.lines).not.toContain('tomorrow began');
  // The exit goes on: what others do in their hooks comes after.
  expect(child.lines.indexOf('prisma disconnected')).toBeGreaterThan(
    child.lines.indexOf('heedless abandoned'),
  );
  expect(child.lines.at(-1)).toBe('databases shut down, typeorm open: true');
});

it('P13: a second SIGTERM neither hangs nor cuts short', async () => {
  const { child, port } = await startServer('closing-app.ts', { platform: PLATFORM });

  await send(port, '/held');
  await child.line('held began');
  child.signal('SIGTERM');
  await child.line('told to stop');
  child.signal('SIGTERM');
  await child.line('told to stop', 2);
  child.tell('end the task');

  expect(await child.ended).toEqual(KILLED);
  // Whichever hook they close in, a task that runs still has the databases.
  expect(child.lines.filter((line) => !/^(port|told|closed)/.test(line))).toEqual([
    'held began',
    'held ended with prisma, typeorm',
    'held completed',
    'prisma disconnected',
    'databases shut down, typeorm open: true',
  ]);
});

onEachPlatform(({ name: platform }) => {
  it('P13: a request in flight is served, and what it adds while tasks run has the databases, too', async () => {
    const { child, port } = await startServer('closing-app.ts', { platform });

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

    expect(await child.ended).toEqual(KILLED);
    expect(child.lines).toEqual(
      expect.arrayContaining([
        'late ended with prisma, typeorm',
        'held ended with prisma, typeorm',
      ]),
    );
  });

  it('P13: a request in flight that outlasts the tasks is served, and its own have what closes last', async () => {
    const { child, port } = await startServer('closing-app.ts', { platform });

    const reply = send(port, '/in-flight');
    await child.line('handler began');
    child.signal('SIGTERM');
    await child.line('prisma disconnected');
    child.tell('end the handler');
    expect((await reply).body).toBe('in time');

    expect(await child.ended).toEqual(KILLED);
    expect(child.lines.slice(child.lines.indexOf('prisma disconnected'))).toEqual([
      'prisma disconnected',
      'late ended with no prisma, typeorm',
      'late completed',
      'databases shut down, typeorm open: true',
    ]);
  });
});
