import { describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  Inject,
  Injectable,
  Param,
  Post,
  Scope,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Background, BackgroundTasks, TaskRunner } from 'nestjs-background-tasks';
import { History } from '../support/history.js';
import { LogBook } from '../../support/log-book.js';
import { type Platform, onEachPlatform } from '../support/platforms.js';
import { runProcess } from '../support/child-app.js';
import { rootModule } from '../support/root-module.js';
import { type RunningApp, startApp } from '../support/running-app.js';

interface Traced {
  /** What one task saw on its attempts. */
  readonly retried: string[];
  /** What the tasks of requests that were served together saw. */
  readonly together: string[];
  /** Whether the stores of two requests have been kept: one's task has settled, one's waits. */
  readonly isInMemory: { readonly ofRetried: boolean; readonly ofTomorrow: boolean };
}

onEachPlatform(({ name }) => {
  it('P7: the request id of nestjs-cls is there on every attempt, and gone once the task has settled', async () => {
    const ended = await runProcess('cls-requests.ts', name);
    expect(ended).toMatchObject({ code: 0, errors: '' });
    const { retried, together, isInMemory } = JSON.parse(ended.output) as Traced;

    expect(retried).toEqual([
      'attempt 1: alpha of acme',
      'attempt 1, later: alpha of acme',
      'attempt 2: alpha of acme',
      'attempt 2, later: alpha of acme',
      'attempt 3: alpha of acme',
      'attempt 3, later: alpha of acme',
    ]);
    expect(together.toSorted()).toEqual(
      Array.from({ length: 20 }, (_, number) => `plain: request-${number + 1} of acme`).toSorted(),
    );
    // What has yet to run keeps its own.
    expect(isInMemory).toEqual({ ofRetried: false, ofTomorrow: true });
  });
});

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
    for (const { type, name, at } of app.events) {
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

const NIGHTLY = '0 0 3 * * *';

/** A singleton, as Nest demands of whatever it schedules. */
@Injectable()
class Nightly {
  readonly written: string[] = [];

  constructor(private readonly runner: TaskRunner) {}

  @Background()
  async write(name: string): Promise<void> {
    this.written.push(name);
  }

  @Cron(NIGHTLY, { name: 'adds a task' })
  sweep(): void {
    this.runner.addTask({ name: 'sweep' }, () => void this.written.push('adds a task'));
  }

  @Cron(NIGHTLY, { name: 'calls a method' })
  async report(): Promise<void> {
    await this.write('calls a method');
  }

  @Cron(NIGHTLY, { name: 'is a task' })
  @Background()
  async archive(): Promise<void> {
    this.written.push('is a task');
  }

  @Background()
  @Cron(NIGHTLY, { name: 'is a task, the other way round' })
  async prune(): Promise<void> {
    this.written.push('is a task, the other way round');
  }

  @Interval('hourly', 3_600_000)
  @Background()
  async ping(): Promise<void> {}

  @Timeout('soon', 1)
  async soon(): Promise<void> {
    await this.write('soon');
  }
}

it('P6: what adds tasks can be scheduled, and they are queued at once: jobs, intervals, timeouts', async () => {
  const scheduled = await NestFactory.createApplicationContext(
    rootModule({ imports: [ScheduleModule.forRoot()], providers: [Nightly] }),
    { logger: false, abortOnError: false },
  );
  const registry = scheduled.get(SchedulerRegistry);
  const history = new History(scheduled.get(TaskRunner));
  const { written } = scheduled.get(Nightly);
  await history.untilSettled(1); // the clock has called
  const jobs = [...registry.getCronJobs().keys()];
  for (const [index, job] of jobs.entries()) {
    await registry.getCronJob(job).fireOnTick();
    await history.untilSettled(index + 2);
  }
  expect(written).toEqual(['soon', ...jobs]);
  expect(jobs).toHaveLength(4);
  expect(registry.getIntervals()).toEqual(['hourly']);
  await scheduled.close();
});

@Injectable()
class NightlyPerRequest {
  constructor(readonly tasks: BackgroundTasks) {}

  @Cron(NIGHTLY, { name: 'sweep' })
  sweep(): void {}
}

@Injectable()
class ScopedMailer {
  @Inject(BackgroundTasks) readonly tasks!: BackgroundTasks;
}

@Injectable()
class Indirect {
  constructor(readonly mailer: ScopedMailer) {}

  @Interval('often', 3_600_000)
  often(): void {}

  @Timeout('once', 3_600_000)
  once(): void {}
}

class Inherited extends NightlyPerRequest {}
Injectable()(Inherited);

@Injectable()
class Listener {
  constructor(readonly tasks: BackgroundTasks) {}

  @OnEvent('signup')
  signedUp(): void {}
}

@Injectable()
class AddingGuard implements CanActivate {
  constructor(readonly tasks: BackgroundTasks) {}

  canActivate(): boolean {
    return true;
  }
}

@WebSocketGateway()
@UseGuards(AddingGuard)
class Gateway {
  @SubscribeMessage('message')
  message(): void {}
}

/** What is in nobody's way: a singleton, and a class per request for a reason of its own. */
@Injectable()
class Singleton {
  constructor(readonly runner: TaskRunner) {}

  @Cron(NIGHTLY, { name: 'fine' })
  fine(): void {}
}

@Injectable({ scope: Scope.REQUEST })
class Scoped {
  @OnEvent('signup')
  signedUp(): void {}
}

@Injectable()
class Quiet {
  constructor(readonly tasks: BackgroundTasks) {}
}

async function warningsOf(...providers: Type<unknown>[]): Promise<string[]> {
  const log = new LogBook();
  const imports = [ScheduleModule.forRoot(), EventEmitterModule.forRoot()];
  const root = rootModule({ imports, providers: [ScopedMailer, ...providers] });
  // Not bootstrapped: the gateways among them would want a server.
  const app = await NestFactory.createApplicationContext(root, { logger: log });
  await app.close();
  return log.lines.flatMap(({ level, message }) =>
    level === 'warn' && message.includes('request-scoped') ? [message] : [],
  );
}

describe('at its start the module warns of jobs of a request-scoped class', () => {
  it.each<[Type<unknown>, string]>([
    [
      NightlyPerRequest,
      'NightlyPerRequest has @Cron() and needs BackgroundTasks (NightlyPerRequest → BackgroundTasks)',
    ],
    [Inherited, 'Inherited has @Cron() and needs BackgroundTasks (Inherited → BackgroundTasks)'],
    [
      Indirect,
      'Indirect has @Interval(), @Timeout() and needs BackgroundTasks (Indirect → ScopedMailer → ',
    ],
    [Listener, 'Listener has @OnEvent() and needs BackgroundTasks (Listener → BackgroundTasks)'],
    [
      Gateway,
      'Gateway has @WebSocketGateway() and needs BackgroundTasks (Gateway → AddingGuard → ',
    ],
  ])('%p', async (type, warning) => {
    expect(await warningsOf(type)).toEqual([expect.stringContaining(warning)]);
  });

  it('and of no other', async () => {
    expect(await warningsOf(Singleton, Scoped, Quiet)).toEqual([]);
  });

  it('for Nest leaves them unregistered', async () => {
    const root = rootModule({
      imports: [ScheduleModule.forRoot()],
      providers: [NightlyPerRequest, Singleton],
    });
    const app = await NestFactory.createApplicationContext(root, { logger: false });
    expect([...app.get(SchedulerRegistry).getCronJobs().keys()]).toEqual(['fine']);
    await app.close();
  });

  it('and an application without jobs, gateways and handlers of messages starts without a warning', async () => {
    const log = new LogBook();
    const app = await NestFactory.create(rootModule({}), { logger: log });
    app.enableShutdownHooks(['SIGTERM']);
    await app.listen(0, '127.0.0.1');
    await app.close();
    expect(log.lines.filter(({ level }) => level !== 'log' && level !== 'debug')).toEqual([]);
  });
});
