import { AsyncLocalStorage } from 'node:async_hooks';
import { NestFactory } from '@nestjs/core';
import { TaskRunner } from 'nestjs-background-tasks';
import { rootModule } from '../support/root-module.js';

// The timers of jest have contexts of their own, so a process of its own prints what the tasks saw.
const storage = new AsyncLocalStorage<string>();
const app = await storage.run('start-up', () =>
  NestFactory.createApplicationContext(
    rootModule({ options: { queues: { default: { concurrency: 1 } } } }),
    { logger: false },
  ),
);
const runner = app.get(TaskRunner);
const retry = { attempts: 2, delay: 1, jitter: 'none' } as const;
let failures = 1;

function look(): void {
  console.log(storage.getStore() ?? 'nothing');
}

await Promise.all(
  [
    runner.addTask(look),
    runner.addTask({ delay: 1 }, look),
    runner.addTask({ retry }, () => {
      look();
      if (failures-- > 0) {
        throw new Error('once');
      }
    }),
    storage.run('request', () => runner.addTask(look)),
  ].map((each) => each.whenSettled()),
);
await app.close();
