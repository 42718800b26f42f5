import type { AddressInfo, Server } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import { Controller, Get, Post, type INestApplication } from '@nestjs/common';
import { NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import { Background, Tasks, TaskRunner, type BackgroundTasks } from 'nestjs-background-tasks';
import { send } from '../support/client.js';
import { History } from '../support/history.js';
import { EXPRESS } from '../support/platforms.js';
import { rootModule } from '../support/root-module.js';

class Mailer {
  @Background()
  async send(): Promise<void> {}

  @Background({ when: 'failure' })
  async excuse(): Promise<void> {}
}

/** One class for both applications. */
@Controller('mails')
class MailController {
  constructor(private readonly mailer: Mailer) {}

  @Get('well') async well(@Tasks() tasks: BackgroundTasks): Promise<string> {
    tasks.addTask({ name: 'by hand' }, () => undefined);
    await this.mailer.send();
    await this.mailer.excuse();
    return 'well';
  }

  @Post('broken') async broken(@Tasks() tasks: BackgroundTasks): Promise<void> {
    tasks.addTask({ name: 'by hand' }, () => undefined);
    await this.mailer.send();
    await this.mailer.excuse();
    throw new Error('broken');
  }
}

const running: INestApplication[] = [];

afterEach(async () => {
  for (const app of running.splice(0).toReversed()) {
    await app.close();
  }
});

async function create(adapter: AbstractHttpAdapter, prefix: string): Promise<INestApplication> {
  const root = rootModule({ controllers: [MailController], providers: [Mailer] });
  const app = await NestFactory.create(root, adapter, { logger: false, abortOnError: false });
  app.setGlobalPrefix(prefix);
  running.push(app);
  return app;
}

// A Fastify instance takes one application of Nest's only.
it('P3: two applications on one server each decide about their own tasks, by the same status', async () => {
  const adapter = EXPRESS.createAdapter();
  const Adapter = adapter.constructor as new (server: unknown) => AbstractHttpAdapter;
  const first = await create(adapter, 'one');
  const second = await create(new Adapter(adapter.getInstance()), 'two');
  await second.init();
  await first.listen(0, '127.0.0.1');
  const { port } = (first.getHttpServer() as Server).address() as AddressInfo;
  const histories = [first, second].map((app) => new History(app.get(TaskRunner)));
  for (const [index, prefix] of ['one', 'two'].entries()) {
    const history = histories[index];
    await send(port, `/${prefix}/mails/well`);
    await history?.untilSettled(3);
    expect(history?.names('completed')).toEqual(['by hand', 'Mailer.send']);
    await send(port, `/${prefix}/mails/broken`, { method: 'POST', body: { a: 1 } });
    await history?.untilSettled(6);
    expect(history?.names('dropped')).toEqual(['Mailer.excuse', 'by hand', 'Mailer.send']);
  }
  expect(histories[1]?.events.length).toBe(histories[0]?.events.length);
});
