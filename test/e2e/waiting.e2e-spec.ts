import { expect, it } from '@jest/globals';
import { Controller, Get, Injectable } from '@nestjs/common';
import { Background, BackgroundTasks, TaskRunner, Tasks } from 'nestjs-background-tasks';
import { onEachPlatform } from './support/platforms.js';
import { startApp, type RunningApp } from './support/running-app.js';

function mail(): void {}

function warningsOf(app: RunningApp): string[] {
  return app.log.lines
    .map(({ message }) => message)
    .filter((message) => message.includes('docs/faq.md'));
}

@Injectable()
class Mailer {
  @Background()
  async send(): Promise<void> {}
}

@Controller()
class WaitingController {
  constructor(
    private readonly mailer: Mailer,
    private readonly runner: TaskRunner,
  ) {}

  // None of them is awaited: the request would never be answered.
  @Get('settled')
  settled(@Tasks() tasks: BackgroundTasks): void {
    void tasks.addTask(mail).whenSettled();
    void tasks.addTask(mail).whenSettled();
  }

  @Get('idle')
  async idle(): Promise<void> {
    await this.mailer.send();
    void this.runner.whenIdle();
  }

  @Get('fine')
  async fine(@Tasks() tasks: BackgroundTasks): Promise<void> {
    await this.runner.whenIdle();
    await this.runner.addTask({ name: 'by itself' }, mail).whenSettled();
    tasks.addTask({ name: 'after it' }, mail);
  }
}

onEachPlatform((platform) => {
  const setup = { controllers: [WaitingController], providers: [Mailer] };

  it.each([
    ['/settled?token=secret', 'GET /settled waits for task mail', 2],
    ['/idle', 'GET /idle waits for task Mailer.send', 1],
  ])(
    'R12: a handler that waits for its own task is told so at once: %s',
    async (path, start, count) => {
      const app = await startApp(platform, setup);
      await app.request(path);
      await app.untilSettled(count);
      expect(warningsOf(app)).toEqual([
        expect.stringContaining(`${start}, which cannot end before`),
      ]);
    },
  );

  it('R12: a handler that waits for another’s is not', async () => {
    const app = await startApp(platform, setup);
    await app.request('/fine');
    await app.untilSettled(2);
    expect(warningsOf(app)).toEqual([]);
  });
});
