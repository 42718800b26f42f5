import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Get } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Tasks, TaskRunner, type BackgroundTasks } from 'nestjs-background-tasks';
import { createAdapter } from '../support/create-adapter.js';
import { rootModule } from '../support/root-module.js';

// Serves one request with a task, closes, and has nothing left to keep the process alive.
@Controller()
class OnceController {
  @Get()
  get(@Tasks() tasks: BackgroundTasks): string {
    tasks.addTask({ timeout: '1h' }, async () => {
      await new Promise(setImmediate);
      console.log('the task ran');
    });
    tasks.addTask({ delay: '1d', name: 'tomorrow' }, () => undefined);
    return 'answered';
  }
}

const [platform = ''] = process.argv.slice(2);
const app = await NestFactory.create(
  rootModule({ controllers: [OnceController] }),
  createAdapter(platform),
  { logger: false },
);
await app.listen(0, '127.0.0.1');
const { port } = (app.getHttpServer() as Server).address() as AddressInfo;

const completed = new Promise<void>((resolve) => {
  app.get(TaskRunner).events.subscribe(({ type }) => {
    if (type === 'completed') {
      resolve();
    }
  });
});
const response = await fetch(`http://127.0.0.1:${port}/`);
console.log(await response.text());
await completed;
await app.close();
console.log('closed');
// A timer would end by itself, and keep the process until then.
console.log(process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length);
