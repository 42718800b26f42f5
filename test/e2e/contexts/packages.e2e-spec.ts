import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  type INestApplicationContext,
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
import { LogBook } from '../support/log-book.js';
import { type Platform, onEachPlatform } from '../support/platforms.js';
import { runProcess } from '../support/process.js';
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
    const ended = await runProcess('cls-requests.ts', [name]);
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

const AT_THREE = '0 0 3 * * *';

@Injectable()
class Reports {
  readonly written: string[] = [];

  @Background()
  async write(name: string): Promise<void> {
    this.written.push(name);
  }
}

/** A singleton, as Nest demands of whatever it schedules. */
@Injectable()
class Nightly {
  constructor(
    private readonly runner: TaskRunner,
    private readonly reports: Reports,
  ) {}

  @Cron(AT_THREE, { name: 'adds a task' })
  sweep(): void {
    this.runner.addTask({ name: 'sweep' }, () => void this.reports.written.push('sweep'));
  }

  @Cron(AT_THREE, { name: 'calls a method' })
  async report(): Promise<void> {
    await this.reports.write('nightly');
  }

  @Cron(AT_THREE, { name: 'is a task' })
  @Background()
  async archive(): Promise<void> {
    this.reports.written.push('archive');
  }

  @Background()
  @Cron(AT_THREE, { name: 'is a task, the other way round' })
  async prune(): Promise<void> {
    this.reports.written.push('prune');
  }

  @Interval('hourly', 3_600_000)
  @Background()
  async ping(): Promise<void> {
    this.reports.written.push('ping');
  }

  @Timeout('soon', 1)
  async soon(): Promise<void> {
    await this.reports.write('soon');
  }
}

let scheduled: INestApplicationContext | undefined;

async function startScheduled(): Promise<{
  readonly registry: SchedulerRegistry;
  readonly history: History;
  readonly written: string[];
}> {
  scheduled = await NestFactory.createApplicationContext(
    rootModule({ imports: [ScheduleModule.forRoot()], providers: [Nightly, Reports] }),
    { logger: false, abortOnError: false },
  );
  return {
    registry: scheduled.get(SchedulerRegistry),
    history: new History(scheduled.get(TaskRunner)),
    written: scheduled.get(Reports).written,
  };
}

describe('schedule', () => {
  afterEach(async () => {
    await scheduled?.close();
  });

  it('P6: what adds tasks can be scheduled: cron jobs, intervals and timeouts are registered', async () => {
    const { registry } = await startScheduled();

    expect([...registry.getCronJobs().keys()].toSorted()).toEqual([
      'adds a task',
      'calls a method',
      'is a task',
      'is a task, the other way round',
    ]);
    expect(registry.getIntervals()).toEqual(['hourly']);
  });

  it.each([
    { job: 'adds a task', task: 'sweep', entry: 'sweep' },
    { job: 'calls a method', task: 'Reports.write', entry: 'nightly' },
    { job: 'is a task', task: 'Nightly.archive', entry: 'archive' },
    { job: 'is a task, the other way round', task: 'Nightly.prune', entry: 'prune' },
  ])('P6: a task of a cron job that $job is queued at once', async ({ job, task, entry }) => {
    const { registry, history, written } = await startScheduled();

    await registry.getCronJob(job).fireOnTick();
    await history.untilSeen('completed', task);

    expect(written).toContain(entry);
  });

  it('P6: a task of what the clock has called is queued at once', async () => {
    const { history, written } = await startScheduled();

    await history.untilSeen('completed', 'Reports.write');

    expect(written).toEqual(['soon']);
  });
});

const NIGHTLY = '0 0 3 * * *';

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
    level === 'warn' && message.includes('made for each request') ? [message] : [],
  );
}

describe('at its start the module warns of jobs of a class that is made for each request', () => {
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
