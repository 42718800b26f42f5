import { Module } from '@nestjs/common';
import { BackgroundTasksModule } from 'nestjs-background-tasks';
import {
  BackgroundTasksThreadsModule,
  type BackgroundTasksThreadsOptions,
} from 'nestjs-background-tasks/threads';
import { AnalyticsModule } from './analytics/analytics.module.js';
import { BoardModule } from './board/board.module.js';
import { HealthModule } from './health/health.module.js';
import { ImagesModule } from './images/images.module.js';
import { THREADS } from './images/threads.js';
import { MailModule } from './mail/mail.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { NotificationsModule } from './notifications/notifications.module.js';
import { ProcessModule } from './process/process.module.js';
import { ReportsModule } from './reports/reports.module.js';
import { SignupModule } from './signup/signup.module.js';
import { UsersModule } from './users/users.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

/** Threads would lack the compiler of a test runner that compiles TypeScript itself. */
function threadOptions(): BackgroundTasksThreadsOptions {
  const { THREAD_LOADER } = process.env;
  return { threads: THREADS, ...(THREAD_LOADER && { execArgv: ['--import', THREAD_LOADER] }) };
}

/** One module per scenario; none depends on another. */
@Module({
  imports: [
    BackgroundTasksModule.forRoot({
      queues: {
        // The number of connections of the database.
        database: { concurrency: 1 },
        // The number of threads: large images delay only other images.
        images: { concurrency: THREADS },
        mail: { concurrency: 1 },
        // Mostly waits for other services.
        process: { concurrency: 100 },
        webhooks: { concurrency: 20 },
      },
    }),
    BackgroundTasksThreadsModule.forRootAsync({ useFactory: threadOptions }),
    NotificationsModule,
    SignupModule,
    ImagesModule,
    UsersModule,
    WebhooksModule,
    AnalyticsModule,
    MailModule,
    ReportsModule,
    ProcessModule,
    HealthModule,
    MetricsModule,
    BoardModule,
  ],
})
export class AppModule {}
