import { BackgroundTasksModule, type BackgroundTasksOptions } from 'nestjs-background-tasks';

interface Settings {
  readonly attempts: number;
}

export const modules = [
  BackgroundTasksModule.forRoot(),
  BackgroundTasksModule.forRoot({}),
  BackgroundTasksModule.forRoot({
    retry: { attempts: 3, delay: '1s', maxDelay: '30s' },
    timeout: '1m',
    priority: 'low',
    queues: { emails: { concurrency: 5, retry: false, timeout: '5s' }, webhooks: {} },
    request: { order: 'sequential', onFailure: 'stop' },
    drainTimeout: '10s',
  }),
  BackgroundTasksModule.forRootAsync({
    inject: ['settings'],
    useFactory: ({ attempts }: Settings): BackgroundTasksOptions => ({ retry: { attempts } }),
  }),
];

export const refused: BackgroundTasksOptions[] = [
  // @ts-expect-error 2353 no such option
  { retries: 3 },
  // @ts-expect-error 2561 no such option of a queue
  { queues: { emails: { concurency: 5 } } },
  // @ts-expect-error 2322 no such order
  { request: { order: 'parallel' } },
  // @ts-expect-error 2322 not a duration
  { drainTimeout: '10 seconds' },
  // @ts-expect-error 2353 a delay is the task's own, not a queue's
  { queues: { emails: { delay: '5s' } } },
];
