import { expect, it } from '@jest/globals';
import { runProcess } from '../support/child-app.js';
import { onEachPlatform } from '../support/platforms.js';
import { routes } from '../support/routes.js';
import { sharedApp, startApp } from '../support/running-app.js';

/** Bodies, and what the log says of them. What people throw is not always an error. */
const BODIES: readonly [name: string, body: () => unknown, says: string, stack: RegExp][] = [
  ['throws', throwing(new TypeError('no order')), 'TypeError: no order', /\n\s+at /],
  ['rejects', () => Promise.reject(new TypeError('no order')), 'TypeError: no order', /\n\s+at /],
  ['throws-text', throwing('no order'), 'no order', /^.*$/],
  ['throws-nothing', throwing(undefined), 'undefined', /^.*$/],
];

function throwing(what: unknown): () => never {
  return () => {
    throw what;
  };
}

// What FastAPI's own tests of background tasks ask for: sample/stories.suite.ts.
onEachPlatform((platform) => {
  const app = sharedApp(() => {
    const controller = routes({
      'GET /:name': (tasks, { params: { name } }) => {
        const [, body] = BODIES.find(([each]) => each === name) ?? [];
        tasks.addTask({ name }, () => body?.());
        tasks.addTask({ name: 'next' }, () => undefined);
        return 'fine';
      },
    });
    return startApp(platform, { controllers: [controller] });
  });

  it.each(BODIES)(
    'P11: a body that %s hurts no other task, and is logged',
    async (name, _body, says, stack) => {
      app().log.lines.length = 0;
      expect((await app().request(`/${name}`)).body).toBe('fine');
      await app().untilSettled(2);
      // The runner fails this test for a rejection that nobody has handled by then.
      await new Promise(setImmediate);

      expect(app().settled).toMatchObject([
        { name, type: 'failed', attempt: 1 },
        { name: 'next', type: 'completed' },
      ]);
      const [line, ...others] = app().log.ofTasks('error');
      expect(others).toEqual([]);
      expect(line).toContain(`${name} (${app().settled[0]?.id}) failed after 1 attempt`);
      expect(line).toContain(says);
      expect(line).toMatch(stack);
    },
  );
});

it('app.close() leaves nothing open: the process ends by itself', async () => {
  const ended = await runProcess('serve-once.ts');
  expect(ended).toMatchObject({ code: 0, signal: null, errors: '' });
  const served = ['Express', 'Fastify'].map((name) => `${name} answered\nthe task ran\nclosed\n`);
  expect(ended.output).toBe(`${served.join('')}0\n`);
});
