import { AsyncLocalStorage } from 'node:async_hooks';
import { NestFactory } from '@nestjs/core';
import { TaskRunner } from 'nestjs-background-tasks';
import { rootModule } from '../support/root-module.js';

// The tests of jest have a context of their own, so a process of its own counts what the tasks saw.
const tenants = new AsyncLocalStorage<string>();
const app = await NestFactory.createApplicationContext(rootModule({}), { logger: false });
const runner = app.get(TaskRunner);
let strangers = 0;
// Called as tasks start and end, between the bodies of others.
runner.events.subscribe(() => tenants.enterWith('of a listener'));

// Many of them start in the same turn of the event loop.
for (let pair = 0; pair < 1_000; pair += 1) {
  runner.addTask(async () => tenants.enterWith('of another task'));
  runner.addTask(async () => {
    strangers += tenants.getStore() === undefined ? 0 : 1;
  });
}
await runner.whenIdle();
console.log(`${strangers} of 1000`);
await app.close();
