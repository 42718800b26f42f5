import { expect, it } from '@jest/globals';
import { boardPassword } from '../../../sample/board/board-password.js';
import { EXPRESS } from '../support/platforms.js';
import { AppModule } from '../../../sample/app.module.js';
import { startApp } from '../support/running-app.js';

it('the sample tells those who operate it how its tasks are', async () => {
  const app = await startApp(EXPRESS, AppModule);
  app.runner.addTask({ name: 'greeting' }, () => undefined);
  await app.runner.whenIdle();

  const health = await app.request('/health');
  expect(health.status).toBe(200);
  expect(JSON.parse(health.body)).toMatchObject({
    status: 'ok',
    info: { tasks: { status: 'up' } },
  });

  const metrics = await app.request('/metrics');
  expect([metrics.status, metrics.headers['content-type']]).toEqual([
    200,
    expect.stringMatching(/^text\/plain/),
  ]);
  expect(metrics.body).toMatch(
    /^background_tasks_settled_total\{(?=.*status="completed")(?=.*queue="default").*task="greeting".*\} 1$/m,
  );

  const stranger = await app.request('/tasks/');
  expect([stranger.status, stranger.headers['www-authenticate']]).toEqual([
    401,
    'Basic realm="tasks"',
  ]);
  const authorization = `Basic ${Buffer.from(`admin:${boardPassword}`).toString('base64')}`;
  const board = await app.request('/tasks/', { headers: { authorization } });
  expect(board.status).toBe(200);
  expect(board.body).toContain('<title>Background tasks</title>');
});
