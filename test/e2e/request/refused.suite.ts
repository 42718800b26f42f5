import { expect, it } from '@jest/globals';
import { Catch, UseFilters, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { QueueFullError, type BackgroundTasks } from 'nestjs-background-tasks';
import { onEachPlatform } from '../support/platforms.js';
import { routes } from '../support/routes.js';
import { sharedApp, startApp } from '../support/running-app.js';

const task = (): void => undefined;

@Catch(QueueFullError)
class TooMany implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<{ status(code: number): { send(): void } }>();
    reply.status(429).send();
  }
}

function refusalOf(tasks: BackgroundTasks): unknown {
  try {
    return tasks.addTask(task);
  } catch (error) {
    return error;
  }
}

const controller = routes({
  'POST /orders': (tasks) => {
    tasks.addTask(task);
    tasks.addTask(task);
  },
  'POST /orders-again-and-again': (tasks) => {
    tasks.addTask(task);
    throw Array.from({ length: 1_000 }, () => refusalOf(tasks)).at(-1);
  },
  'POST /orders-if-possible': (tasks) => void refusalOf(tasks),
  'POST /limited-orders': [(tasks) => void tasks.addTask(task), UseFilters(TooMany)],
});

onEachPlatform((platform) => {
  const options = { queues: { default: { maxPending: 1 } } };
  const app = sharedApp(() => startApp(platform, { controllers: [controller], options }));

  it.each(['/orders', '/orders-again-and-again'])(
    'P12: a request that fills a queue gets 503 with Retry-After, and nothing of what the queue holds: %s',
    async (path) => {
      const { status, headers, body } = await app().request(path, { method: 'POST' });
      expect([status, headers['retry-after']]).toEqual([503, '1']);
      expect(body).not.toContain('pending');
      await app().untilSettled(1);
      expect(app().events.map(({ type }) => type)).toEqual(['added', 'dropped']);
    },
  );

  it.each([
    ['its handler does without the task', '/orders-if-possible', 201],
    ['a filter finds another answer', '/limited-orders', 429],
  ])('P12: a client is not told to come back where %s', async (_what, path, expected) => {
    await app().runner.pause();
    const waiting = app().runner.addTask(task);
    const { status, headers } = await app().request(path, { method: 'POST' });
    expect([status, headers['retry-after']]).toEqual([expected, undefined]);
    await app().runner.resume();
    await waiting.whenSettled();
  });
});
