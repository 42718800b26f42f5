import { Controller, Injectable, Post, type INestApplication } from '@nestjs/common';
import { BaseAdapter } from '@bull-board/api/dist/queueAdapters/base.js';
import type { JobCounts, QueueJob } from '@bull-board/api/typings/app';
import { NestFactory } from '@nestjs/core';
import { Background, TaskRunner, currentTask } from 'nestjs-background-tasks';
import { BackgroundTasksBoardModule, type BoardOptions } from 'nestjs-background-tasks/board';

import { LogBook } from '../../support/log-book.js';
import { createAdapter } from '../support/create-adapter.js';
import { rootModule } from '../support/root-module.js';

@Injectable()
export class Mailer {
  isBroken = true;

  @Background({ queue: 'emails' })
  async sendWelcome(user: object): Promise<void> {
    const { log, progress } = currentTask();
    log('connecting <b>to</b> the mail server');
    progress(50);
    if (this.isBroken) {
      throw new Error(`no connection for <img src=x onerror="document.title='hacked'">`);
    }
    progress(Object.keys(user).length);
  }
}

@Controller()
class UsersController {
  constructor(private readonly mailer: Mailer) {}

  @Post('users')
  async create(): Promise<void> {
    await this.mailer.sendWelcome({ name: '<script>document.title="hacked"</script>' });
  }
}

/** A queue that the application brings along, with state that only its own methods may see. */
export class OtherQueue extends BaseAdapter {
  readonly #done: string[] = [];

  constructor() {
    super('bullmq', { allowCompletedRetries: true });
  }

  /** What was asked of it, apart from what there is to see. */
  get done(): readonly string[] {
    return this.#done;
  }

  readonly getName = () => 'other';
  readonly getStatuses = () => ['latest' as const, 'failed' as const];
  readonly getJobStatuses = () => ['failed' as const];
  readonly getJobCounts = () => Promise.resolve({ failed: 1 } as JobCounts);
  readonly isPaused = () => Promise.resolve(false);
  readonly getMetrics = () => Promise.resolve({} as never);
  readonly getRedisInfo = () => Promise.resolve(null);
  readonly getGlobalConcurrency = () => Promise.resolve(null);
  readonly getJobSchedulersCount = () => Promise.resolve(1);
  readonly getJobSchedulers = () =>
    Promise.resolve([{ id: 'nightly', name: 'nightly', template: { data: 'secret' } } as never]);
  readonly getJobLogs = () => Promise.resolve([]);
  readonly getJobs = () => Promise.resolve([this.job()]);
  readonly getJob = () => Promise.resolve(this.job());

  pause(): Promise<void> {
    return this.does('pause');
  }
  readonly resume = () => this.does('resume');
  readonly clean = () => this.does('clean');
  readonly empty = () => this.does('empty');
  readonly obliterate = () => this.does('obliterate');
  readonly promoteAll = () => this.does('promoteAll');
  readonly setGlobalConcurrency = () => this.does('setGlobalConcurrency');
  readonly removeJobScheduler = () => this.does('removeJobScheduler').then(() => true);
  readonly updateJobScheduler = () =>
    this.does('updateJobScheduler').then(() => 'updated' as const);
  readonly runJobSchedulerNow = () => this.does('runJobSchedulerNow').then(() => this.job());
  readonly addJob = () => this.does('addJob').then(() => this.job());

  private job(): QueueJob {
    return {
      opts: {},
      toJSON: () => ({ id: '1', name: 'job', data: 'secret', returnvalue: 'secret' }) as never,
      getState: () => Promise.resolve('failed'),
      retry: () => this.does('retry'),
      remove: () => this.does('remove'),
      promote: () => this.does('promote'),
      updateData: () => this.does('updateData'),
    } as never;
  }

  private does(what: string): Promise<void> {
    this.#done.push(what);
    return Promise.resolve();
  }
}

export interface BoardApp {
  readonly log: LogBook;
  readonly app: INestApplication;
  readonly url: string;
  readonly runner: TaskRunner;
  readonly mailer: Mailer;
}

export async function startBoard(platform: string, options?: BoardOptions): Promise<BoardApp> {
  const root = rootModule({
    options: { queues: { emails: {} }, logEvents: false },
    imports: [BackgroundTasksBoardModule.forRoot(options)],
    controllers: [UsersController],
    providers: [Mailer],
  });
  const log = new LogBook();
  const app = await NestFactory.create(root, await createAdapter(platform), {
    logger: log,
    abortOnError: false,
    cors: { origin: true, credentials: true },
  });
  await app.listen(0, '127.0.0.1');
  return {
    log,
    app,
    url: await app.getUrl(),
    runner: app.get(TaskRunner),
    mailer: app.get(Mailer),
  };
}
