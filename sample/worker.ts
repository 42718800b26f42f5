// A process that runs tasks and answers no requests. Start as many as the work needs.
//
//   STORE_URL=redis://127.0.0.1:6379 node --import @oxc-node/core/register sample/worker.ts
//
// The processes that serve requests have the same module with `role: 'producer'`.
import 'reflect-metadata';
import { Injectable, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Background, BackgroundTasksModule, currentTask } from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';

@Injectable()
export class Mailer {
  private readonly logger = new Logger(Mailer.name);

  @Background({ name: 'mailer.welcome', retry: { attempts: 5 }, timeout: '30s' })
  async sendWelcome(userId: string): Promise<void> {
    const { attempt } = currentTask();
    this.logger.log(`welcome, ${userId} (attempt ${attempt})`);
  }
}

@Module({
  imports: [
    BackgroundTasksModule.forRoot({
      engine: bullmq({
        connection: process.env['STORE_URL'] ?? 'redis://127.0.0.1:6379',
        role: 'worker',
      }),
    }),
  ],
  providers: [Mailer],
})
export class WorkerModule {}

const app = await NestFactory.createApplicationContext(WorkerModule);
// On SIGTERM running tasks may finish; the others stay in the store for other workers.
app.enableShutdownHooks(['SIGTERM', 'SIGINT']);
