import {
  ConfigurableModuleBuilder,
  Inject,
  Logger,
  Module,
  type ConfigurableModuleAsyncOptions,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { TaskRunner } from '../task-runner.js';
import { closePool, openPool } from './open-pools.js';
import { DuplicateThreadsModuleError } from './thread.errors.js';
import { toThreadPoolSettings, type BackgroundTasksThreadsOptions } from './thread-options.js';
import { ThreadPool } from './thread-pool.js';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<BackgroundTasksThreadsOptions>({
    moduleName: 'BackgroundTasksThreads',
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createBackgroundTasksThreadsOptions')
    .build();

/** What `forRootAsync()` takes: one of `useFactory`, `useClass` and `useExisting`. */
export type BackgroundTasksThreadsAsyncOptions = ConfigurableModuleAsyncOptions<
  BackgroundTasksThreadsOptions,
  'createBackgroundTasksThreadsOptions'
>;

/**
 * Provides the threads for thread functions. Import it once, in the root module, next to
 * `BackgroundTasksModule`. It has nothing to inject.
 */
@Module({
  providers: [
    {
      provide: ThreadPool,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options: BackgroundTasksThreadsOptions) =>
        new ThreadPool(toThreadPoolSettings(options), new Logger('BackgroundTasks')),
    },
  ],
})
export class BackgroundTasksThreadsModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationShutdown
{
  /** @internal */
  constructor(
    @Inject(ThreadPool) private readonly pool: ThreadPool,
    @Inject(TaskRunner) private readonly runner: TaskRunner,
  ) {
    super();
  }

  /**
   * @param options without them there is one thread less than there are cores, at least one
   * @throws UnknownOptionError, InvalidOptionError at start-up
   */
  static override forRoot(options: BackgroundTasksThreadsOptions = {}): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * Takes the options from other providers, such as a configuration service.
   *
   * @param options one of `useFactory`, `useClass` and `useExisting`, with its `imports` and `inject`
   * @throws UnknownOptionError, InvalidOptionError at start-up
   */
  static override forRootAsync(options: BackgroundTasksThreadsAsyncOptions): DynamicModule {
    return super.forRootAsync(options);
  }

  /** Called by Nest once all providers exist. @throws DuplicateThreadsModuleError */
  onModuleInit(): void {
    if (!openPool(this.runner.home, this.pool)) {
      throw new DuplicateThreadsModuleError();
    }
    // Covers a failed start, too: such an application is never closed.
    this.runner.events.subscribe({ complete: () => closePool(this.pool) });
  }

  /** Called by Nest. The tasks are drained by then. */
  async onApplicationShutdown(): Promise<void> {
    closePool(this.pool);
    await this.pool.close();
  }
}
