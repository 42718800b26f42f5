import {
  Logger,
  Module,
  type DynamicModule,
  type NestModule,
  type OnModuleInit,
} from '@nestjs/common';
import { DiscoveryModule, DiscoveryService, HttpAdapterHost, LazyModuleLoader } from '@nestjs/core';
import {
  ConfigurableModuleClass,
  type BackgroundTasksAsyncOptions,
} from './background-tasks.module-definition.js';
import { InvalidOptionError } from './errors/misuse.errors.js';
import { providers } from './background-tasks.providers.js';
import { BackgroundTasks } from './request/background-tasks.js';
import { Application } from './intake/application.js';
import { BackgroundExplorer } from './intake/background.explorer.js';
import { expectApplication } from './intake/live-applications.js';
import { TaskIntake } from './intake/task-intake.js';
import type { BackgroundTasksOptions } from './options/module-options.js';
import { BackgroundTasksInterceptor } from './request/background-tasks.interceptor.js';
import { warnOfJobsPerRequest } from './request/nest/jobs-per-request.js';
import { MessageHook } from './request/nest/message-hook.js';
import { RequestHook } from './request/nest/request-hook.js';
import { RouteWatch } from './request/nest/route-watch.js';
import { Requests } from './request/requests.js';
import { Lifecycle, LifecycleModule } from './run/lifecycle.js';
import { TaskRunner } from './run/task-runner.js';
import { Schedules } from './schedule/schedules.js';
import { TaskRegistry } from './task/task-registry.js';

/**
 * Background tasks for the whole application: import it once, in the root module. It is global, so
 * `BackgroundTasks`, `@Tasks()`, `@Background()` and `TaskRunner` work everywhere.
 */
@Module({
  imports: [DiscoveryModule, LifecycleModule],
  providers,
  // Nest makes the interceptor in the module of each controller that uses it: it needs Requests
  // there.
  exports: [BackgroundTasks, BackgroundTasksInterceptor, Requests, TaskRunner],
})
export class BackgroundTasksModule
  extends ConfigurableModuleClass
  implements NestModule, OnModuleInit
{
  /** @internal */
  constructor(
    private readonly explorer: BackgroundExplorer,
    private readonly hook: RequestHook,
    private readonly routes: RouteWatch,
    private readonly messages: MessageHook,
    private readonly adapterHost: HttpAdapterHost,
    private readonly lifecycle: Lifecycle,
    private readonly discovery: DiscoveryService,
    private readonly registry: TaskRegistry,
    private readonly schedules: Schedules,
    private readonly intake: TaskIntake,
    private readonly application: Application,
    private readonly loader: LazyModuleLoader,
  ) {
    super();
  }

  /**
   * @param options by default one queue that runs ten tasks at once, with one attempt per task
   * @throws UnknownOptionError, InvalidOptionError at start-up
   */
  static override forRoot(options: BackgroundTasksOptions = {}): DynamicModule {
    return announced(super.forRoot(options));
  }

  /**
   * Options from other providers, a configuration service for example.
   *
   * @param options one of `useFactory`, `useClass` and `useExisting`, and `imports` and `inject` for it
   * @throws InvalidOptionError for none of these
   * @throws UnknownOptionError, InvalidOptionError at start-up
   */
  static override forRootAsync(options: BackgroundTasksAsyncOptions): DynamicModule {
    const { useFactory, useClass, useExisting } = options ?? {};
    if (typeof useFactory !== 'function' && useClass === undefined && useExisting === undefined) {
      const problem = 'forRootAsync() expects one of useFactory, useClass and useExisting.';
      throw new InvalidOptionError('', problem);
    }
    return announced(super.forRootAsync(options));
  }

  /** Called by Nest before it registers routes. In a test module there was no adapter before. */
  configure(): void {
    const { httpAdapter } = this.adapterHost;
    this.hook.install(httpAdapter);
    this.messages.routesBegin(this.routes.begin(httpAdapter));
  }

  /** Called by Nest when every provider exists. */
  async onModuleInit(): Promise<void> {
    this.routes.end();
    this.messages.bindSockets();
    try {
      this.registry.tell((definition) => this.schedules.declare(definition));
      this.explorer.explore();
    } catch (error) {
      this.application.leave();
      throw error;
    }
    this.explorer.watch(this.loader);
    warnOfJobsPerRequest(this.discovery, BackgroundTasks, new Logger('BackgroundTasks'));
    await this.lifecycle.open(() => this.application.open(this.intake));
  }
}

/** The container reads `global` before it makes a provider: from then on an application is expected. */
function announced(module: DynamicModule): DynamicModule {
  return {
    ...module,
    get global() {
      expectApplication();
      return true;
    },
  };
}
