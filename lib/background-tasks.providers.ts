import { Logger, Scope, type InjectionToken, type Provider } from '@nestjs/common';
import {
  ApplicationConfig,
  DiscoveryService,
  ExternalContextCreator,
  HttpAdapterHost,
  ModuleRef,
  ModulesContainer,
  REQUEST,
} from '@nestjs/core';
import { MODULE_OPTIONS_TOKEN } from './background-tasks.module-definition.js';
import { BackgroundTasks } from './request/background-tasks.js';
import { Application } from './intake/application.js';
import { BackgroundExplorer } from './intake/background.explorer.js';
import { TaskIntake } from './intake/task-intake.js';
import { createEngine } from './create-engine.js';
import { ENGINE, type Engine } from './engine/engine.js';
import { InvalidOptionError } from './errors/misuse.errors.js';
import { Log } from './observe/log.js';
import { Observer } from './observe/observer.js';
import { TaskEvents } from './observe/task-events.js';
import { TaskLog } from './observe/task-log.js';
import { TaskRecords } from './observe/task-records.js';
import { TaskStats } from './observe/task-stats.js';
import { ResolvedOptions } from './options/resolved-options.js';
import { BackgroundTasksInterceptor } from './request/background-tasks.interceptor.js';
import { lifeOf } from './request/life-of-request.js';
import { MessageHook } from './request/nest/message-hook.js';
import { RequestHook } from './request/nest/request-hook.js';
import { RouteWatch } from './request/nest/route-watch.js';
import { Requests } from './request/requests.js';
import { inContextOf } from './run/attempt.js';
import { AttemptHooks } from './run/attempt-hooks.js';
import { Lifecycle, type OpenServer } from './run/lifecycle.js';
import { TaskRunner } from './run/task-runner.js';
import { TaskWorker } from './run/task-worker.js';
import { ScheduleLog } from './schedule/schedule-log.js';
import { Schedules } from './schedule/schedules.js';
import { CLOCK, systemClock, type Clock } from './task/clock.js';
import { TaskRegistry } from './task/task-registry.js';

const LIFECYCLE_PARTS = Symbol('nestjs-background-tasks:lifecycle-parts');

function warn(text: string): void {
  new Logger('BackgroundTasks').warn(text);
}

/** The classes have no decorators: the arguments of their constructors are listed here. */
function made<Parts extends unknown[]>(
  provide: new (...parts: Parts) => object,
  inject: { [Index in keyof Parts]: InjectionToken },
): Provider {
  return { provide, inject, useFactory: (...parts: Parts) => new provide(...parts) };
}

export const providers: Provider[] = [
  {
    // forRoot() and forRootAsync() replace this provider.
    provide: MODULE_OPTIONS_TOKEN,
    useFactory: () => {
      throw new InvalidOptionError(
        '',
        'there are none, because the class itself is imported. Import ' +
          'BackgroundTasksModule.forRoot() once, in the root module; it is global, and no other ' +
          'module has to import it.',
      );
    },
  },
  {
    // Made without waiting for others: providers that exist already may call their methods.
    provide: Application,
    inject: [ModulesContainer],
    useFactory: (modules: ModulesContainer) => {
      const application = new Application(modules);
      application.join();
      return application;
    },
  },
  TaskRegistry,
  { provide: CLOCK, useValue: systemClock },
  { provide: Log, useFactory: () => new Log(new Logger('BackgroundTasks')) },
  {
    provide: TaskLog,
    inject: [Log, CLOCK, ResolvedOptions],
    useFactory: (log: Log, clock: Clock, { carriers }: ResolvedOptions) =>
      new TaskLog(log, clock, (task, print) => inContextOf(task, carriers, print)),
  },
  made(ResolvedOptions, [MODULE_OPTIONS_TOKEN]),
  {
    provide: TaskEvents,
    inject: [CLOCK, TaskLog, ResolvedOptions],
    useFactory: (clock: Clock, log: TaskLog, { logEvents }: ResolvedOptions) => {
      const events = new TaskEvents(clock, (error) => log.listenerFailed(error));
      if (logEvents) {
        events.stream.subscribe((event) => log.happened(event));
      }
      return events;
    },
  },
  TaskStats,
  {
    provide: TaskRecords,
    inject: [ResolvedOptions, CLOCK],
    useFactory: ({ remember, keep }: ResolvedOptions, clock: Clock) =>
      new TaskRecords(remember, { ...keep, now: () => clock.now() }),
  },
  made(Observer, [TaskStats, TaskRecords, TaskEvents, TaskLog]),
  {
    provide: AttemptHooks,
    inject: [TaskLog],
    useFactory: (log: TaskLog) => new AttemptHooks((error) => log.hookFailed(error)),
  },
  {
    provide: TaskWorker,
    inject: [CLOCK, Observer, AttemptHooks, ResolvedOptions],
    useFactory: (
      clock: Clock,
      observer: Observer,
      hooks: AttemptHooks,
      { carriers }: ResolvedOptions,
    ) => new TaskWorker(clock, Math.random, observer, hooks, carriers),
  },
  { provide: ENGINE, inject: [ResolvedOptions, TaskWorker, CLOCK, Log], useFactory: createEngine },
  made(TaskIntake, [ResolvedOptions, TaskRegistry, ENGINE, Observer, CLOCK]),
  {
    provide: Requests,
    inject: [TaskIntake, ENGINE, Observer, ResolvedOptions, CLOCK],
    useFactory: (
      intake: TaskIntake,
      engine: Engine,
      observer: Observer,
      { request }: ResolvedOptions,
      clock: Clock,
    ) => new Requests(intake, engine, observer, request, clock),
  },
  {
    provide: RequestHook,
    inject: [Requests, HttpAdapterHost],
    useFactory: (requests: Requests, host: HttpAdapterHost) => {
      const hook = new RequestHook(requests);
      // At once, or in a test module as soon as it makes an application.
      host.init$.subscribe(() => hook.install(host.httpAdapter));
      return hook;
    },
  },
  BackgroundTasksInterceptor,
  made(RouteWatch, [Requests]),
  {
    provide: MessageHook,
    inject: [
      Requests,
      BackgroundTasksInterceptor,
      ModulesContainer,
      ApplicationConfig,
      ExternalContextCreator,
    ],
    useFactory: (
      requests: Requests,
      interceptor: BackgroundTasksInterceptor,
      modules: ModulesContainer,
      config: ApplicationConfig,
      resolvers: ExternalContextCreator,
    ) => {
      const hook = new MessageHook(requests, interceptor, modules, config, resolvers, warn);
      hook.install();
      return hook;
    },
  },
  made(BackgroundExplorer, [
    DiscoveryService,
    ModuleRef,
    ResolvedOptions,
    TaskRegistry,
    ENGINE,
    Application,
  ]),
  {
    provide: Schedules,
    inject: [TaskIntake, ENGINE, ResolvedOptions, CLOCK, Log, TaskLog],
    useFactory: (
      intake: TaskIntake,
      engine: Engine,
      { queues }: ResolvedOptions,
      clock: Clock,
      log: Log,
      taskLog: TaskLog,
    ) => {
      const scheduleLog = new ScheduleLog(log, (kind, tell) => taskLog.inMasses(kind, tell));
      return new Schedules(intake, engine, [...queues.keys()], clock, scheduleLog);
    },
  },
  {
    // Lifecycle gets its parts when they have been made.
    provide: LIFECYCLE_PARTS,
    inject: [
      Lifecycle,
      ENGINE,
      Requests,
      Schedules,
      TaskEvents,
      CLOCK,
      Log,
      TaskLog,
      ResolvedOptions,
      HttpAdapterHost,
      Application,
    ],
    useFactory: (
      lifecycle: Lifecycle,
      engine: Engine,
      requests: Requests,
      schedules: Schedules,
      events: TaskEvents,
      clock: Clock,
      log: Log,
      taskLog: TaskLog,
      { drainTimeoutMs, queues }: ResolvedOptions,
      host: HttpAdapterHost,
      application: Application,
    ) =>
      lifecycle.take({
        engine,
        requests,
        schedules,
        restore: (...group) => requests.intake.restore(...group),
        events,
        clock,
        log,
        drainTimeoutMs,
        queues: Array.from(queues.values(), ({ name, concurrency }) => {
          const { engine: kind, isProducer = false } = engine.supportOf(name);
          return `${name} (${kind}, ${isProducer ? 'run by other processes' : `${concurrency} at once`})`;
        }),
        leave: () => {
          application.leave();
          taskLog.end();
        },
        server: () => host.httpAdapter?.getHttpServer?.() as OpenServer | undefined,
      }),
  },
  made(TaskRunner, [
    TaskIntake,
    ENGINE,
    ResolvedOptions,
    TaskRecords,
    TaskStats,
    CLOCK,
    TaskEvents,
    AttemptHooks,
    Requests,
    Schedules,
  ]),
  {
    provide: BackgroundTasks,
    scope: Scope.REQUEST,
    inject: [REQUEST, TaskIntake],
    useFactory: (request: unknown, intake: TaskIntake) =>
      new BackgroundTasks(intake, lifeOf(request)?.of(intake), request, true),
  },
];
