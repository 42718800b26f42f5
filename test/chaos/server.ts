// A server to be killed. Each request adds a task, and each task that ran is a line in a file. Its
// one argument is JSON: see ServerSetting.
import { appendFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get, Inject, Injectable, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Background, BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';
import { engineOf } from './engines.js';
import type { ServerSetting } from './server-process.js';

const setting = JSON.parse(process.argv[2] ?? '{}') as ServerSetting;

@Injectable()
class Jobs {
  /** Takes a while, so that a kill finds some tasks running. */
  @Background()
  async record(id: string): Promise<void> {
    await sleep(Math.random() * setting.longestTaskMs);
    if (setting.fails) {
      throw new Error('the provider is down');
    }
    appendFileSync(setting.recordFile, `${id}\n`);
  }
}

@Controller()
class Api {
  constructor(
    @Inject(Jobs) private readonly jobs: Jobs,
    @Inject(TaskRunner) private readonly runner: TaskRunner,
  ) {}

  @Post('record/:id')
  record(@Param('id') id: string): Promise<void> {
    return this.jobs.record(id);
  }

  /** Answers when no task is left. */
  @Get('idle')
  async idle(): Promise<void> {
    await this.runner.whenIdle();
  }

  @Post('retry-all')
  retryAll(): Promise<number> {
    return this.runner.retryAll({}, { rate: 200 });
  }

  @Get('failed')
  async failed(): Promise<unknown[]> {
    const failed = await this.runner.list({ status: 'failed', limit: 1_000_000 });
    return failed.map(({ id, args, outcome }) => ({
      id,
      args,
      error: outcome?.status === 'failed' ? (outcome.error as { code?: string }).code : undefined,
    }));
  }
}

@Module({
  imports: [
    BackgroundTasksModule.forRoot({
      engine: engineOf(setting),
      drainTimeout: setting.drainTimeoutMs,
      queues: { default: { concurrency: 50 } },
    }),
  ],
  controllers: [Api],
  providers: [Jobs],
})
class AppModule {}

try {
  const app = await NestFactory.create(AppModule, new FastifyAdapter(), {
    logger: ['error', 'warn'],
    abortOnError: false,
  });
  app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
  console.log(`listening ${port}`);
} catch (error) {
  console.error(`refused ${(error as Error).message}`);
  process.exitCode = 1;
}
