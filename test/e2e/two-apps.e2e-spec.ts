import type { AddressInfo, Server } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Injectable, Post } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { Background, type BackgroundTasks, TaskRunner, Tasks } from 'nestjs-background-tasks';
import { send } from './support/client.js';
import { History } from './support/history.js';
import { NEST_MAJOR } from './support/nest-major.js';
import { EXPRESS, FASTIFY, onEachPlatform } from './support/platforms.js';
import { rootModule } from './support/root-module.js';
import { startApp } from './support/running-app.js';
import { Gate } from './support/time.js';

/** One class for both applications: what it is decorated with belongs to neither. */
@Injectable()
class Mailer {
  readonly sent: string[] = [];

  @Background()
  async send(text: string): Promise<void> {
    this.sent.push(text);
  }
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
  }
}

const MAILING = { controllers: [MailController], providers: [Mailer] };

onEachPlatform((platform) => {
  it("two applications in one process do not see each other's tasks", async () => {
    const one = await startApp(platform, MAILING);
    const other = await startApp(platform, MAILING);

    await one.request('/hello');
    await one.untilSettled(3);

    expect(one.names('completed')).toEqual(['Mailer.send', 'greeting', 'Mailer.send']);
    expect(one.nest.get(Mailer).sent).toEqual(['hello', 'hello again']);
    expect(other.history).toEqual([]);
    expect(other.nest.get(Mailer).sent).toEqual([]);

    await other.request('/hello');
    await other.untilSettled(3);
    expect(other.nest.get(Mailer).sent).toEqual(['hello', 'hello again']);
    expect(one.names('added')).toHaveLength(3);
  });

  it('an application goes on when another one in its process has closed', async () => {
    const one = await startApp(platform, MAILING);
    const other = await startApp(platform, MAILING);

    await one.nest.close();
    await other.request('/hello');
    await other.untilSettled(3);

    expect(other.names('completed')).toHaveLength(3);
    expect(one.history).toEqual([]);
  });

  it("what a handler asks of another application is that one's task, at once", async () => {
    const other = await startApp(platform, MAILING);
    const answer = new Gate();

    @Controller()
    class ForwardingController {
      @Get('forward')
      async forward(): Promise<string> {
        await other.nest.get(Mailer).send('forwarded');
        await answer.opened;
        return 'forwarded';
      }
    }
    const one = await startApp(platform, { controllers: [ForwardingController] });

    const reply = one.request('/forward');
    // Nothing has been answered, and nothing of the other application waits for that.
    await other.untilSettled(1);
    answer.open();
    await reply;

    expect(other.names('completed')).toEqual(['Mailer.send']);
    expect(other.nest.get(Mailer).sent).toEqual(['forwarded']);
    expect(one.history).toEqual([]);
  });
});

it('also where one serves through Express, and the other through Fastify', async () => {
  const one = await startApp(EXPRESS, MAILING);
  const other = await startApp(FASTIFY, MAILING);

  await Promise.all([one.request('/hello'), other.request('/hello')]);
  await Promise.all([one.untilSettled(3), other.untilSettled(3)]);

  expect(one.nest.get(Mailer).sent).toEqual(['hello', 'hello again']);
  expect(other.nest.get(Mailer).sent).toEqual(['hello', 'hello again']);
});

class SharedMailer {
  @Background()
  async send(): Promise<void> {}

  @Background({ when: 'failure' })
  async excuse(): Promise<void> {}
}

/** One class for both applications. */
@Controller('mails')
class SharedController {
  constructor(private readonly mailer: SharedMailer) {}

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

async function create(adapter: AbstractHttpAdapter, prefix: string): Promise<INestApplication> {
  const root = rootModule({ controllers: [SharedController], providers: [SharedMailer] });
  const app = await NestFactory.create(root, adapter, { logger: false, abortOnError: false });
  app.setGlobalPrefix(prefix);
  running.push(app);
  return app;
}

describe('two on one server', () => {
  afterEach(async () => {
    for (const app of running.splice(0).toReversed()) {
      await app.close();
    }
  });

  // Under Nest 11 the one answers 404 for the other.
  (NEST_MAJOR < 12 ? describe.skip : describe)('of one server', () => {
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
        expect(history?.names('completed')).toEqual(['by hand', 'SharedMailer.send']);
        await send(port, `/${prefix}/mails/broken`, { method: 'POST', body: { a: 1 } });
        await history?.untilSettled(6);
        expect(history?.names('dropped')).toEqual([
          'SharedMailer.excuse',
          'by hand',
          'SharedMailer.send',
        ]);
      }
      expect(histories[1]?.events.length).toBe(histories[0]?.events.length);
    });
  });
});
