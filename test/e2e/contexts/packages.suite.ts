import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  Inject,
  Injectable,
  Param,
  Post,
  Scope,
  UseGuards,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Background, BackgroundTasks, TaskRunner } from 'nestjs-background-tasks';
import { History } from '../support/history.js';
import { LogBook } from '../../support/log-book.js';
import { onEachPlatform } from '../support/platforms.js';
import { outputOf } from '../support/child-app.js';
import { rootModule } from '../support/root-module.js';
import { startApp } from '../support/running-app.js';

interface Traced {
  /** What one task saw on its attempts. */
  readonly retried: string[];
  /** What the tasks of requests that were served together saw. */
  readonly together: string[];
  /** Whether the stores of two requests have been kept: one's task has settled, one's waits. */
  readonly isInMemory: { readonly ofRetried: boolean; readonly ofTomorrow: boolean };
}

describe('nestjs-cls', () => {
  let seen: Readonly<Record<'Express' | 'Fastify', Traced>> & { readonly stored: unknown };

  beforeAll(async () => {
    seen = JSON.parse(await outputOf('cls.ts')) as typeof seen;
  });

  it.each(['Express', 'Fastify'] as const)(
    'P7: on %s the request id is there on every attempt, and gone once the task has settled',
    (platform) => {
      const { retried, together, isInMemory } = seen[platform];
      expect(retried).toEqual(
        ['1', '1, later', '2', '2, later', '3', '3, later'].map(
          (attempt) => `attempt ${attempt}: alpha of acme`,
        ),
      );
      const ids = Array.from({ length: 20 }, (_, number) => `request-${number + 1}`);
      expect(together.toSorted()).toEqual(ids.map((id) => `plain: ${id} of acme`).toSorted());
      // The task that has yet to run keeps its own.
      expect(isInMemory).toEqual({ ofRetried: false, ofTomorrow: true });
    },
  );

  it('R13: a stored task has what is carried of the context, and nothing else of it', () => {
    expect(seen.stored).toEqual([['alpha', 'acme', 'no client']]);
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

onEachPlatform((platform) => {
  it('P6: a listener adds to the collection of the request that is handled, else its tasks are queued at once', async () => {
    const app = await startApp(platform, {
      imports: [EventEmitterModule.forRoot()],
      controllers: [SignupController],
      providers: [Mailer, SignupListener],
    });
    const { sent } = app.nest.get(Mailer);
    const all = ['count ann', 'index ann', 'welcome ann'];

    await app.request('/signup/ann', { method: 'POST' });
    await app.untilSettled(3);
    // The runner's task waits for nobody.
    expect(app.names('completed')[0]).toBe('count');
    expect(sent.splice(0).toSorted()).toEqual(all);
    const closedAt = await app.untilClosed('/signup/ann');
    for (const { type, name, at } of app.events) {
      expect(type !== 'started' || name === 'count' || at >= closedAt).toBe(true);
    }

    app.nest.get(EventEmitter2).emit('signup', 'ann');
    await app.untilSettled(6);
    expect(sent.toSorted()).toEqual(all);
  });
});

const NIGHTLY = '0 0 3 * * *';

/** A singleton: Nest schedules no other. */
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

it('P6: tasks of scheduled jobs, intervals and timeouts are queued at once', async () => {
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
  expect(jobs).toHaveLength(3);
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

/** No warning: a singleton, and classes per request that add no tasks in jobs. */
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

describe('at its start the module', () => {
  it('warns of each request-scoped class with jobs, listeners or messages, and of no other', async () => {
    const log = new LogBook();
    const root = rootModule({
      imports: [ScheduleModule.forRoot(), EventEmitterModule.forRoot()],
      providers: [
        NightlyPerRequest,
        Inherited,
        ScopedMailer,
        Indirect,
        Listener,
        Gateway,
        Singleton,
        Scoped,
        Quiet,
      ],
    });
    // Not bootstrapped: the gateway would want a server.
    const app = await NestFactory.createApplicationContext(root, { logger: log });
    expect(log.of('warn').filter((line) => line.includes('request-scoped'))).toEqual(
      [
        'NightlyPerRequest has @Cron() and needs BackgroundTasks (NightlyPerRequest → BackgroundTasks)',
        'Inherited has @Cron() and needs BackgroundTasks (Inherited → BackgroundTasks)',
        'Indirect has @Interval(), @Timeout() and needs BackgroundTasks (Indirect → ScopedMailer → ',
        'Listener has @OnEvent() and needs BackgroundTasks (Listener → BackgroundTasks)',
        'Gateway has @WebSocketGateway() and needs BackgroundTasks (Gateway → AddingGuard → ',
      ].map((text) => expect.stringContaining(text)),
    );
    // It is Nest that leaves their jobs unregistered.
    expect([...app.get(SchedulerRegistry).getCronJobs().keys()]).toEqual(['fine']);
    await app.close();
  });

  it('warns of nothing where there are no jobs, gateways and handlers of messages', async () => {
    const log = new LogBook();
    const app = await NestFactory.create(rootModule({}), { logger: log });
    app.enableShutdownHooks(['SIGTERM']);
    await app.listen(0, '127.0.0.1');
    await app.close();
    expect(log.lines.filter(({ level }) => level !== 'log' && level !== 'debug')).toEqual([]);
  });
});
