import { expect, it } from '@jest/globals';
import { Controller, Get, Injectable } from '@nestjs/common';
import { Background, Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { EXPRESS, FASTIFY, onEachPlatform } from './support/platforms.js';
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
