import { describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Injectable, Post } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { Background, type BackgroundTasks, TaskRunner, Tasks } from 'nestjs-background-tasks';
import { send } from '../support/client.js';
import { History } from '../support/history.js';
import { NEST_MAJOR } from '../support/nest-major.js';
import { EXPRESS, FASTIFY } from '../support/platforms.js';
import { portOf } from '../support/port-of.js';
import { rootModule } from '../support/root-module.js';
import { startApp } from '../support/running-app.js';

/** One class for both applications: what it is decorated with belongs to neither. */
@Injectable()
class Mailer {
  readonly sent: string[] = [];

  @Background()
  async send(text: string): Promise<void> {
    this.sent.push(text);
  }

  @Background({ when: 'failure' })
  async excuse(): Promise<void> {}
}

@Controller()
class MailController {
  constructor(private readonly mailer: Mailer) {}

  @Get('hello')
  async hello(@Tasks() tasks: BackgroundTasks): Promise<void> {
    await this.mailer.send('hello');
    tasks.addTask({ name: 'greeting' }, () => undefined);
    // oxlint-disable-next-line typescript/unbound-method -- The task finds its provider by itself.
    tasks.addTask(this.mailer.send, 'hello again');
    await this.mailer.excuse();
  }

  @Post('broken') async broken(@Tasks() tasks: BackgroundTasks): Promise<void> {
    await this.hello(tasks);
    throw new Error('broken');
  }
}

const MAILING = { controllers: [MailController], providers: [Mailer] };
const HELLO = ['Mailer.send', 'greeting', 'Mailer.send'];

describe.each([
  ['on Express', EXPRESS, EXPRESS],
  ['on Fastify', FASTIFY, FASTIFY],
  ['one on each platform', EXPRESS, FASTIFY],
])('two applications in one process, %s', (_, first, second) => {
  it("do not see each other's tasks, and one goes on when the other has closed", async () => {
    const one = await startApp(first, MAILING);
    const other = await startApp(second, MAILING);

    await one.request('/hello');
    await one.untilSettled(4);
    expect(one.names('completed')).toEqual(HELLO);
    expect(one.nest.get(Mailer).sent).toEqual(['hello', 'hello again']);
    expect(other.events).toEqual([]);
    expect(other.nest.get(Mailer).sent).toEqual([]);

    await one.nest.close();
    await other.request('/hello');
    await other.untilSettled(4);
    expect(other.names('completed')).toEqual(HELLO);
    expect(one.names('added')).toHaveLength(4);
  });
});

async function create(adapter: AbstractHttpAdapter, prefix: string): Promise<INestApplication> {
  const app = await NestFactory.create(rootModule(MAILING), adapter, {
    logger: false,
    abortOnError: false,
  });
  app.setGlobalPrefix(prefix);
  return app;
}

// Under Nest 11 the one answers 404 for the other; a Fastify instance takes one application only.
(NEST_MAJOR < 12 ? describe.skip : describe)('two applications on one server', () => {
  it('P3: each decides on its own tasks, by the same status', async () => {
    const adapter = EXPRESS.createAdapter();
    const Adapter = adapter.constructor as new (server: unknown) => AbstractHttpAdapter;
    const apps = {
      one: await create(adapter, 'one'),
      two: await create(new Adapter(adapter.getInstance()), 'two'),
    };
    await apps.two.init();
    await apps.one.listen(0, '127.0.0.1');
    for (const [prefix, app] of Object.entries(apps)) {
      const history = new History(app.get(TaskRunner));
      await send(portOf(apps.one), `/${prefix}/hello`);
      await history.untilSettled(4);
      expect(history.names('completed')).toEqual(HELLO);
      await send(portOf(apps.one), `/${prefix}/broken`, { method: 'POST', body: { a: 1 } });
      await history.untilSettled(8);
      expect(history.names('completed').slice(3)).toEqual(['Mailer.excuse']);
      expect(history.events.filter(({ type }) => type === 'added')).toHaveLength(8);
    }
    await apps.two.close();
    await apps.one.close();
  });
});
