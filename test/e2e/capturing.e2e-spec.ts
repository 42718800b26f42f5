import { expect, it } from '@jest/globals';
import { Controller, Injectable, Post, Req, Res } from '@nestjs/common';
import { Background, Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { onEachPlatform } from './support/platforms.js';
import { startApp } from './support/running-app.js';

function keep(..._args: unknown[]): void {}

onEachPlatform((platform) => {
  it('warns of a request and a response among the arguments, once for each task', async () => {
    @Injectable()
    class Audit {
      @Background()
      async write(..._args: unknown[]): Promise<void> {}
    }

    @Controller('captured')
    class CapturedController {
      constructor(readonly audit: Audit) {}

      @Post()
      async capture(
        @Req() request: unknown,
        @Res({ passthrough: true }) response: unknown,
        @Tasks() tasks: BackgroundTasks,
      ): Promise<void> {
        tasks.addTask(keep, 'id', request);
        await this.audit.write(response);
      }
    }

    const app = await startApp(platform, {
      controllers: [CapturedController],
      providers: [Audit],
    });
    await app.request('/captured', { method: 'POST' });
    await app.request('/captured', { method: 'POST' });
    await app.untilSettled(4);
    const warnings = app.log
      .ofTasks('warn')
      .map(({ message }) => message)
      .filter((message) => message.includes('docs/capturing.md'));
    expect(warnings).toEqual([
      expect.stringMatching(/^Task keep was given a request as argument 2: it may be closed/),
      expect.stringMatching(/^Task Audit\.write was given a response as argument 1/),
    ]);
  });
});
