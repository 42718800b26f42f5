import { expect, it } from '@jest/globals';
import { Controller, Get, Injectable } from '@nestjs/common';
import { Background, currentTask } from 'nestjs-background-tasks';
import { onEachPlatform } from './support/platforms.js';
import { startApp } from './support/running-app.js';

onEachPlatform((platform) => {
  it('P14: a call is collected; its promise resolves before the method has run', async () => {
    const seen: string[] = [];

    @Injectable()
    class Mailer {
      @Background()
      async sendWelcome(userId: string): Promise<void> {
        seen.push(`welcome, ${userId}`);
      }

      @Background()
      note(text: string): void {
        seen.push(text);
      }
    }

    @Controller()
    class MailController {
      constructor(private readonly mailer: Mailer) {}

      @Get()
      async get(): Promise<string> {
        await this.mailer.sendWelcome('42');
        this.mailer.note('noted');
        seen.push('accepted');
        return 'answered';
      }
    }

    const app = await startApp(platform, { controllers: [MailController], providers: [Mailer] });
    expect((await app.request('/')).body).toBe('answered');
    await app.untilSettled(2);

    expect(seen).toEqual(['accepted', 'welcome, 42', 'noted']);
    expect(app.names('completed')).toEqual(['Mailer.sendWelcome', 'Mailer.note']);
  });

  it('P21: a call through `this.` is a task too, from its own body as well', async () => {
    const seen: string[] = [];

    @Injectable()
    class Countdown {
      private readonly label = 'countdown';

      async start(): Promise<void> {
        await this.step(2);
        seen.push('accepted');
      }

      @Background()
      async step(number: number): Promise<void> {
        seen.push(`${this.label} ${number}, task ${currentTask().name}`);
        if (number > 0) {
          await this.step(number - 1);
        }
      }
    }

    @Controller()
    class CountdownController {
      constructor(private readonly countdown: Countdown) {}

      @Get()
      async get(): Promise<void> {
        await this.countdown.start();
      }
    }

    const app = await startApp(platform, {
      controllers: [CountdownController],
      providers: [Countdown],
    });
    await app.request('/');
    await app.untilSettled(3);

    expect(seen).toEqual([
      'accepted',
      'countdown 2, task Countdown.step',
      'countdown 1, task Countdown.step',
      'countdown 0, task Countdown.step',
    ]);
    expect(app.names('added')).toEqual(['Countdown.step', 'Countdown.step', 'Countdown.step']);
  });
});
