import { expect, it } from '@jest/globals';
import { onEachPlatform } from '../support/platforms.js';
import { runProcess } from '../support/child-app.js';
import { routes } from '../support/routes.js';
import { startApp } from '../support/running-app.js';

// What FastAPI's own tests of background tasks ask for: sample/notifications.suite.ts.
const bodies: Record<string, () => unknown> = {
  throws: () => {
    throw new TypeError('out of order');
  },
  rejects: () => Promise.reject(new TypeError('out of order')),
  // What people throw is not always an error.
  throwsText: () => {
    // oxlint-disable-next-line typescript/only-throw-error
    throw 'out of order';
  },
  throwsNothing: () => {
    // oxlint-disable-next-line typescript/only-throw-error
    throw undefined;
  },
};

onEachPlatform((platform) => {
  it.each([
    { name: 'throws', says: 'TypeError: out of order', stack: /\n\s+at / },
    { name: 'rejects', says: 'TypeError: out of order', stack: /\n\s+at / },
    { name: 'throwsText', says: 'out of order', stack: /^.*$/ },
    { name: 'throwsNothing', says: 'undefined', stack: /^.*$/ },
  ])('P11: a body that fails ($name) hurts no other task', async ({ name, says, stack }) => {
    const controller = routes({
      'GET /bodies': (tasks) => {
        tasks.addTask({ name }, bodies[name] ?? (() => undefined));
        tasks.addTask({ name: 'next' }, () => undefined);
        return 'fine';
      },
    });
    const app = await startApp(platform, { controllers: [controller] });
    const unhandled: unknown[] = [];
    const listener = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', listener);

    await app.request('/bodies');
    await app.untilSettled(2);
    // Unhandled rejections are told of at the end of a turn of the event loop.
    await new Promise(setImmediate);
    process.off('unhandledRejection', listener);

    expect(app.settled).toMatchObject([
      { name, type: 'failed', attempt: 1 },
      { name: 'next', type: 'completed' },
    ]);
    expect(unhandled).toEqual([]);
    const [line, ...others] = app.log.ofTasks('error');
    expect(others).toEqual([]);
    expect(line).toContain(`${name} (${app.settled[0]?.id}) failed after 1 attempt`);
    expect(line).toContain(says);
    expect(line).toMatch(stack);
    // And the application goes on.
    expect((await app.request('/bodies')).body).toBe('fine');
    await app.untilSettled(4);
  });

  it('app.close() leaves nothing open: the process ends by itself', async () => {
    const ended = await runProcess('serve-once.ts', platform.name);
    expect(ended).toMatchObject({ code: 0, signal: null, errors: '' });
    expect(ended.output.split('\n')).toEqual(['answered', 'the task ran', 'closed', '0', '']);
  });
});
