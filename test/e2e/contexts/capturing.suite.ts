import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, it } from '@jest/globals';
import { type TaskRunner, currentTask } from 'nestjs-background-tasks';
import { type Platform, onEachPlatform } from '../support/platforms.js';
import { routes, touching } from '../support/routes.js';
import { type RunningApp, startApp } from '../support/running-app.js';

function keep(..._args: unknown[]): void {}
function hold(..._args: unknown[]): void {}

onEachPlatform((platform) => {
  it('a task that is given a request or a response is warned of, once for each', async () => {
    const controller = routes({
      'POST /request': (tasks, request) => void tasks.addTask(keep, 'id', request),
      'POST /response': touching((tasks, response) => void tasks.addTask(hold, response)),
    });
    const app = await startApp(platform, { controllers: [controller] });
    for (const path of ['/request', '/response', '/request', '/response']) {
      await app.request(path, { method: 'POST' });
    }
    await app.untilSettled(4);
    const warnings = app.log
      .ofTasks('warn')
      .filter((message) => message.includes('docs/capturing.md'));
    expect(warnings).toEqual([
      expect.stringMatching(
        /^Task keep was given a request, a response or a stream as argument 2: it/,
      ),
      expect.stringMatching(/^Task hold was given a request, a .* stream as argument 1/),
    ]);
  });

  /** A client that goes back to its pool when its transaction has ended. */
  const clients = new AsyncLocalStorage<{ isReleased: boolean }>();

  it.each<[string, string, (add: () => void) => void, (runner: TaskRunner) => void]>([
    ['in a transaction', 'released', (add) => add(), () => undefined],
    ['through exit()', 'its own', (add) => clients.exit(add), () => undefined],
    [
      'in a transaction, with all attempts outside',
      'its own',
      (add) => add(),
      (runner) => void runner.around((_, run) => clients.exit(run)),
    ],
  ])('R13: a task that was added %s has a client that is %s', async (_, expected, add, prepare) => {
    const used: string[] = [];
    const controller = routes({
      'GET /': (tasks) => {
        const client = { isReleased: false };
        clients.run(client, () =>
          add(() => {
            tasks.addTask({ retry: { attempts: 2, delay: 1 } }, () => {
              used.push(clients.getStore()?.isReleased === true ? 'released' : 'its own');
              if (currentTask().attempt === 1) {
                throw new Error('once more');
              }
            });
          }),
        );
        client.isReleased = true;
      },
    });
    const app = await startApp(platform, { controllers: [controller] });
    prepare(app.runner);
    await app.request('/');
    await app.untilSettled(1);
    expect(used).toEqual([expected, expected]);
  });
});

async function startTraced(platform: Platform): Promise<{ app: RunningApp; seen: string[] }> {
  const storage = new AsyncLocalStorage<string>();
  /** What the tasks saw: their names, and the request that they belong to. */
  const seen: string[] = [];
  const note = (name: string): void => void seen.push(`${name} of ${storage.getStore()}`);

  const controller = routes({
    'POST /delayed': (tasks) => void tasks.addTask({ delay: 20 }, note, 'delayed'),
    'POST /runner': () => void app.runner.addTask(note, 'runner'),
    'POST /nested': (tasks) => void tasks.addTask(() => void app.runner.addTask(note, 'nested')),
  });
  const app = await startApp(platform, {
    controllers: [controller],
    configure: (nest) =>
      nest.use(
        (request: { headers: Record<string, string> }, _response: unknown, next: () => void) =>
          storage.run(request.headers['x-request-id'] ?? 'nobody', next),
      ),
  });
  return { app, seen };
}

// On every attempt, of many requests at once, and let go afterwards: with nestjs-cls, packages.suite.ts.
onEachPlatform((platform) => {
  it.each(['delayed', 'runner', 'nested'])(
    'P7: a task sees the store of the request that added it, wherever it waits and whoever queues it (%s)',
    async (name) => {
      const { app, seen } = await startTraced(platform);
      const headers = { 'x-request-id': 'delta' };
      await app.request(`/${name}`, { method: 'POST', headers });
      await app.untilSeen('completed', 'note');
      expect(seen).toEqual([`${name} of delta`]);
    },
  );
});
