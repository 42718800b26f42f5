import { expect, it } from '@jest/globals';
import { Controller, Injectable, Param, Post } from '@nestjs/common';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { Background, TaskRunner } from 'nestjs-background-tasks';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { startApp, type RunningApp } from '../support/running-app.js';

@Injectable()
class Mailer {
  readonly sent: string[] = [];

  @Background()
  async welcome(user: string): Promise<void> {
    this.sent.push(`welcome ${user}`);
  }
}

@Injectable()
class SignupListener {
  constructor(
    private readonly mailer: Mailer,
    private readonly runner: TaskRunner,
  ) {}

  @OnEvent('signup')
  async greet(user: string): Promise<void> {
    await this.mailer.welcome(user);
  }

  @OnEvent('signup')
  @Background()
  async index(user: string): Promise<void> {
    this.mailer.sent.push(`index ${user}`);
  }

  @OnEvent('signup', { async: true })
  count(user: string): void {
    this.runner.addTask({ name: 'count' }, () => void this.mailer.sent.push(`count ${user}`));
  }
}

@Controller()
class SignupController {
  constructor(private readonly events: EventEmitter2) {}

  @Post('signup/:user')
  async signUp(@Param('user') user: string): Promise<void> {
    await this.events.emitAsync('signup', user);
  }
}

function start(platform: Platform): Promise<RunningApp> {
  return startApp(platform, {
    imports: [EventEmitterModule.forRoot()],
    controllers: [SignupController],
    providers: [Mailer, SignupListener],
  });
}

onEachPlatform((platform) => {
  it('P6: a listener called while a request is handled adds to its collection', async () => {
    const app = await start(platform);

    await app.request('/signup/ann', { method: 'POST' });
    await app.untilSettled(3);

    // The runner's task waits for nobody.
    expect(app.names('completed')[0]).toBe('count');
    expect(app.nest.get(Mailer).sent.toSorted()).toEqual(['count ann', 'index ann', 'welcome ann']);
    const closedAt = await app.untilClosed('/signup/ann');
    for (const { type, name, at } of app.history) {
      expect(type !== 'started' || name === 'count' || at >= closedAt).toBe(true);
    }
  });

  it('P6: what a listener adds outside of any request is queued at once', async () => {
    const app = await start(platform);
    const events = app.nest.get(EventEmitter2);

    events.emit('signup', 'ann');
    await app.untilSettled(3);

    expect(app.nest.get(Mailer).sent.toSorted()).toEqual(['count ann', 'index ann', 'welcome ann']);
  });
});
