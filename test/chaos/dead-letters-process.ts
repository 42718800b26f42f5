// A process to be killed. It lets tasks fail, lists them, or runs them again. Its one argument is
// JSON: see ProcessSetting.
import { appendFileSync } from 'node:fs';
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Background, BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';
import { engineOf } from './engines.js';
import type { ServerSetting } from './server-process.js';

export interface ProcessSetting extends ServerSetting {
  readonly act: 'fail' | 'list' | 'retry';
  readonly count: number;
  /** How many per second; without it as many as possible. */
  readonly rate?: number;
}

const setting = JSON.parse(process.argv[2] ?? '{}') as ProcessSetting;

@Injectable()
class Jobs {
  @Background()
  async work(id: number): Promise<void> {
    if (setting.act === 'fail') {
      await Promise.reject(new Error('the provider is down'));
    }
    appendFileSync(setting.recordFile, `${id} ${process.pid} ${Date.now()}\n`);
  }
}

@Module({
  imports: [
    BackgroundTasksModule.forRoot({
      engine: engineOf(setting),
      drainTimeout: setting.drainTimeoutMs,
      keep: { count: Infinity, bytes: Infinity },
      queues: { default: { concurrency: 200, maxPending: Infinity } },
    }),
  ],
  providers: [Jobs],
})
class DeadLettersModule {}

class Program {
  constructor(
    @Inject(TaskRunner) private readonly tasks: TaskRunner,
    private readonly jobs: Jobs,
  ) {}

  async fail(): Promise<void> {
    for (let id = 0; id < setting.count;) {
      const page = Array.from({ length: Math.min(200, setting.count - id) }, () => (id += 1));
      await Promise.all(page.map((each) => this.jobs.work(each)));
      await this.tasks.whenIdle();
    }
    console.log(`failed ${(await this.tasks.counts()).failed}`);
  }

  async list(): Promise<void> {
    const startedAt = performance.now();
    const ids = new Set<string>();
    for (let after: string | undefined; ;) {
      const page = await this.tasks.list({
        status: 'failed',
        limit: 1_000,
        ...(after && { after }),
      });
      page.forEach(({ id }) => ids.add(id));
      after = page.at(-1)?.cursor;
      if (after === undefined) {
        break;
      }
    }
    console.log(`listed ${ids.size} in ${Math.round(performance.now() - startedAt)} ms`);
  }

  async retry(): Promise<void> {
    const startedAt = performance.now();
    const { rate } = setting;
    console.log('began');
    const count = await this.tasks.retryAll({}, rate === undefined ? {} : { rate });
    const ms = performance.now() - startedAt;
    await this.tasks.whenIdle();
    const left = (await this.tasks.counts()).failed;
    console.log(`retried ${count} in ${Math.round(ms)} ms, ${left} left`);
  }
}

const app = await NestFactory.createApplicationContext(DeadLettersModule, { logger: false });
await new Program(app.get(TaskRunner), app.get(Jobs))[setting.act]();
await app.close();
