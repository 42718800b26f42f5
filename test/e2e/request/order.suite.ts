import { expect, it } from '@jest/globals';
import { Controller, Get, Injectable } from '@nestjs/common';
import { Background, BackgroundTasks } from 'nestjs-background-tasks';
import { onEachPlatform } from '../support/platforms.js';
import { rawOf, routes, touching } from '../support/routes.js';
import { startApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';

onEachPlatform((platform) => {
  // One after the other: the conformance suites, on every engine.
  it("P2: order: 'concurrent' starts the tasks of a request together", async () => {
    const gates = [new Gate(), new Gate(), new Gate()];
    const add = (tasks: BackgroundTasks): void =>
      gates.forEach((_, number) =>
        // Each one is let go by the one after it: in a row they would wait for ever.
        tasks.addTask({ name: `${number}` }, async () => {
          gates[number - 1]?.open();
          await (number === gates.length - 1 ? undefined : gates[number]?.opened);
        }),
      );
    const app = await startApp(platform, {
      controllers: [routes({ 'POST /': add })],
      options: { request: { order: 'concurrent' } },
    });
    await app.request('/', { method: 'POST' });
    await app.untilSettled(3);
    expect(app.names('completed').toSorted()).toEqual(['0', '1', '2']);
  });

  // That a late task goes by the status of the closed response: kinds.suite.ts.
  it('P5: a call of a @Background() method after the response has closed is queued at once', async () => {
    const go = new Gate();
    @Injectable()
    class Mailer {
      @Background()
      async sendWelcome(): Promise<void> {}
    }
    @Controller()
    class LateController {
      constructor(
        private readonly tasks: BackgroundTasks,
        private readonly mailer: Mailer,
      ) {}

      @Get()
      get(): void {
        void go.opened.then(() => {
          this.tasks.addTask({ name: 'injected' }, () => undefined);
          return this.mailer.sendWelcome();
        });
      }
    }
    const app = await startApp(platform, { controllers: [LateController], providers: [Mailer] });
    await app.request('/');
    await app.untilClosed('/');
    // Released, settled and gone: the request has nothing left to attach a task to.
    await app.request('/elsewhere');
    go.open();
    await app.untilSettled(2);
    expect(app.names('completed')).toEqual(['injected', 'Mailer.sendWelcome']);
  });

  it('P5: a task that a running task adds is queued at once', async () => {
    let status: string | undefined;
    const add = (tasks: BackgroundTasks): void => {
      tasks.addTask({ name: 'outer' }, () => {
        ({ status } = tasks.addTask({ name: 'inner' }, () => undefined));
      });
    };
    const app = await startApp(platform, { controllers: [routes({ 'GET /': add })] });
    await app.request('/');
    await app.untilSettled(2);
    expect(status).toBe('queued');
    expect(app.names('completed')).toEqual(['outer', 'inner']);
  });

  it('P5: a task added to a chain as the response finishes runs behind it, and loses nothing', async () => {
    const ran: string[] = [];
    const controller = routes({
      'GET /': touching((tasks, response) => {
        const chain = tasks.chain();
        chain.addTask(() => ran.push('of the chain'));
        tasks.addTask(() => ran.push('behind'));
        rawOf(response).once('finish', () => {
          chain.addTask(() => ran.push('late'));
        });
      }),
    });
    const app = await startApp(platform, { controllers: [controller] });
    await app.request('/');
    await app.untilSettled(3);
    expect(ran).toEqual(['of the chain', 'late', 'behind']);
  });
});
