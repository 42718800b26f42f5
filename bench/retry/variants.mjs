// A call that does nothing, wrapped in various retry policies.
const RETRY = { attempts: 3, delay: '1s', factor: 2, maxDelay: '30s' };

async function noop() {}

async function createRunner() {
  await import('reflect-metadata');
  const { Module } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { BackgroundTasksModule, TaskRunner } = await import('nestjs-background-tasks');
  const AppModule = class {};
  Module({ imports: [BackgroundTasksModule.forRoot()] })(AppModule);
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
  return app.get(TaskRunner);
}

/** Each returns a function that makes one call and resolves when it is over. */
export const VARIANTS = {
  'a bare loop': async () => noop,
  'ours, no policy': async () => {
    const runner = await createRunner();
    return () => runner.addTask(noop).whenSettled();
  },
  'ours, 3 attempts': async () => {
    const runner = await createRunner();
    const options = { name: 'noop', retry: RETRY };
    return () => runner.addTask(options, noop).whenSettled();
  },
  'p-retry': async () => {
    const { default: pRetry } = await import('p-retry');
    const options = {
      retries: 2,
      minTimeout: 1000,
      factor: 2,
      maxTimeout: 30_000,
      randomize: true,
    };
    return () => pRetry(noop, options);
  },
  cockatiel: async () => {
    const { ExponentialBackoff, handleAll, retry } = await import('cockatiel');
    const backoff = new ExponentialBackoff({ initialDelay: 1000, maxDelay: 30_000 });
    const policy = retry(handleAll, { maxAttempts: 2, backoff });
    return () => policy.execute(noop);
  },
};
