import { expect, it } from '@jest/globals';
import { Controller, Injectable, Param, Post } from '@nestjs/common';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { Background, BackgroundTasks, TaskRunner } from 'nestjs-background-tasks';
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

/** Made anew for each event, as whatever injects the collection is. */
@Injectable()
class ScopedListener {
  constructor(
    private readonly tasks: BackgroundTasks,
    private readonly mailer: Mailer,
  ) {}

  @OnEvent('invite')
  invite(user: string): void {
    this.tasks.addTask({ name: 'invite' }, () => void this.mailer.sent.push(`invite ${user}`));
  }
}

@Controller()
class SignupController {
  constructor(private readonly events: EventEmitter2) {}

  @Post('signup/:user')
  async signUp(@Param('user') user: string): Promise<void> {
    await this.events.emitAsync('signup', user);
    if (user === 'bad') {
      throw new Error('refused');
    }
  }

  @Post('invite/:user')
  async invite(@Param('user') user: string): Promise<void> {
    await this.events.emitAsync('invite', user);
    if (user === 'bad') {
      throw new Error('refused');
    }
  }
}

function start(platform: Platform): Promise<RunningApp> {
  return startApp(platform, {
    imports: [EventEmitterModule.forRoot()],
    controllers: [SignupController],
    providers: [Mailer, SignupListener, ScopedListener],
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

  it('P3: what a listener has added is dropped where the handler fails', async () => {
    const app = await start(platform);

    await app.request('/signup/bad', { method: 'POST' });
    await app.untilSettled(3);

    expect(app.nest.get(Mailer).sent).toEqual(['count bad']);
    expect(app.names('dropped').toSorted()).toEqual(['Mailer.welcome', 'SignupListener.index']);
  });

  it('P3: BackgroundTasks injected into a listener is the collection of the request', async () => {
    const app = await start(platform);

    await app.request('/invite/bad', { method: 'POST' });
    await app.untilSettled(1);
    expect(app.names('dropped')).toEqual(['invite']);

    await app.request('/invite/ann', { method: 'POST' });
    await app.untilSettled(2);
    expect(app.nest.get(Mailer).sent).toEqual(['invite ann']);
    const closedAt = await app.untilClosed('/invite/ann');
    expect(app.history.find(({ type }) => type === 'started')?.at).toBeGreaterThanOrEqual(closedAt);
  });

  it('P6: what a listener adds outside of any request is queued at once', async () => {
    const app = await start(platform);
    const events = app.nest.get(EventEmitter2);

    events.emit('signup', 'ann');
    events.emit('invite', 'bob');
    await app.untilSettled(4);

    expect(app.nest.get(Mailer).sent.toSorted()).toEqual([
      'count ann',
      'index ann',
      'invite bob',
      'welcome ann',
    ]);
  });
});
