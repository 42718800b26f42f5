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

it('P13: after drainTimeout signals are aborted, and tasks that are left are listed by name and id', async () => {
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

onEachPlatform(({ name: platform }) => {
  it('P13: SIGTERM waits for tasks and requests, whose tasks find the databases that are still open', async () => {
    const { child, port } = await startServer('closing-app.ts', { platform });
    await send(port, '/held');
    await child.line('held began');
    const early = send(port, '/in-flight/early');
    const late = send(port, '/in-flight/late');
    await Promise.all(['early', 'late'].map((name) => child.line(`handler ${name} began`)));
    child.signal('SIGTERM');
    await child.line('told to stop');
    // A second one neither hangs nor cuts short.
    child.signal('SIGTERM');
    await child.line('told to stop', 2);

    child.tell('early');
    expect((await early).body).toBe('in time');
    await child.line('early completed');
    child.tell('held');
    await child.line('prisma disconnected');
    child.tell('late');
    expect((await late).body).toBe('in time');

    expect(await child.ended).toEqual(KILLED);
    expect(child.lines.filter((line) => !/^(port|told|handler|closed)/.test(line))).toEqual([
      'held began',
      'early ended with prisma, typeorm',
      'early completed',
      'held ended with prisma, typeorm',
      'held completed',
      'prisma disconnected',
      'late ended with no prisma, typeorm',
      'late completed',
      'databases shut down, typeorm open: true',
    ]);
  });
});
