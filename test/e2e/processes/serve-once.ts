import { Controller, Get } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Tasks, TaskRunner, type BackgroundTasks } from 'nestjs-background-tasks';
import { createAdapter } from '../support/create-adapter.js';
import { History } from '../support/history.js';
import { portOf } from '../support/port-of.js';
import { rootModule } from '../support/root-module.js';

// On each platform: serves one request with a task, closes, and has nothing left to keep the process alive.
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

for (const platform of ['Express', 'Fastify']) {
  const app = await NestFactory.create(
    rootModule({ controllers: [OnceController] }),
    await createAdapter(platform),
    { logger: false },
  );
  await app.listen(0, '127.0.0.1');
  const history = new History(app.get(TaskRunner));
  const response = await fetch(`http://127.0.0.1:${portOf(app)}/`);
  console.log(platform, await response.text());
  await history.untilSettled(1);
  await app.close();
  console.log('closed');
}
// A timer would end by itself, and keep the process until then.
console.log(process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length);
