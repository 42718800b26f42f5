import {
  Logger,
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { DrainScope, Engine, Restorer } from '../engine/engine.js';
import type { TaskEvents } from '../observe/task-events.js';
import type { Clock } from '../task/clock.js';

/** Who holds the tasks of requests that are not over. */
export interface OpenRequests {
  /** Resolves when the tasks of responses that have closed are released. */
  whenClosedReleased(): Promise<void> | void;
  /** Gives up the tasks of the others. The engine has stopped. */
  abandon(): void;
}

/** What adds tasks by the clock. */
export interface Ticking {
  start(): void;
  /** Resolves when no tick is under way. */
  stop(): Promise<void>;
}

/** What starts and stops with the application. */
export interface LifecycleParts {
  readonly engine: Engine;
  readonly requests: OpenRequests;
  readonly schedules: Ticking;
  readonly restorer: Restorer;
  readonly events: TaskEvents;
  readonly clock: Clock;
  readonly drainTimeoutMs: number;
}

/** How long what is still running after the drain may take to heed its signal. */
const GRACE_MS = 1_000;

/**
 * Last to start, first to stop: tasks run only while everything that they may need is there.
 *
 * Nest calls the hooks of a closing application module by module. Whoever disconnects a database in
 * `onModuleDestroy` (Prisma) must find the tasks drained, so the first drain comes before that. The
 * requests in flight go on adding tasks until the server has closed, so another comes after, before
 * those who disconnect in `onApplicationShutdown` (TypeORM, Mongoose, MikroORM).
 */
export class Lifecycle
  implements
    OnApplicationBootstrap,
    OnModuleDestroy,
    BeforeApplicationShutdown,
    OnApplicationShutdown
{
  private parts: LifecycleParts | undefined;
  private isStarted = false;
  private deadline = Number.POSITIVE_INFINITY;

  take(parts: LifecycleParts): void {
    this.parts = parts;
  }

  /** Makes the stores ready; tasks are not started yet. */
  open(): Promise<void> {
    return this.orGiveUp(async ({ engine, restorer }) => engine.open(restorer));
  }

  async onApplicationBootstrap(): Promise<void> {
    this.isStarted = true;
    await this.orGiveUp(async ({ engine, restorer }) => engine.start(restorer));
    this.parts?.schedules.start();
    // A context without a server has started before its caller gets it and can ask for the hooks.
    this.parts?.clock.soon(() => this.warnOfSignals());
  }

  /**
   * Nothing has been closed yet, the server included: where requests keep coming, there may always
   * be another task. Half of the time is for that to end; then only what is there is waited for.
   */
  async onModuleDestroy(): Promise<void> {
    if (this.parts !== undefined) {
      const { clock, drainTimeoutMs, requests, schedules } = this.parts;
      this.deadline = clock.now() + drainTimeoutMs;
      await schedules.stop();
      await requests.whenClosedReleased();
      if (!(await this.drained('released', this.deadline - drainTimeoutMs / 2))) {
        await this.drain('present');
      }
    }
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.drain('present');
  }

  async onApplicationShutdown(): Promise<void> {
    await this.drain('collected');
    await this.parts?.engine.stop(GRACE_MS);
    this.parts?.requests.abandon();
    await this.parts?.engine.close();
    this.parts?.events.complete();
  }

  /** Nobody may close an application that cannot start: what it has opened by then is closed here. */
  private async orGiveUp(step: (parts: LifecycleParts) => Promise<void>): Promise<void> {
    if (this.parts === undefined) {
      return;
    }
    const { engine, events } = this.parts;
    try {
      await step(this.parts);
    } catch (error) {
      this.isStarted = false;
      // What went wrong first is what counts.
      await Promise.resolve(engine.close()).catch(() => undefined);
      events.complete();
      throw error;
    }
  }

  private warnOfSignals(): void {
    const isClosing = this.deadline !== Number.POSITIVE_INFINITY;
    if (!isClosing && process.listenerCount('SIGTERM') === 0) {
      new Logger('BackgroundTasks').warn(
        'Nobody listens to SIGTERM: a task that runs when the process is told to stop is lost. ' +
          'Call app.enableShutdownHooks() before app.listen(), or once the application context is there.',
      );
    }
  }

  /** Past the deadline, which all drains of a shutdown share, what is left is given up. */
  private async drain(awaited: DrainScope): Promise<void> {
    if (!(await this.drained(awaited, this.deadline))) {
      await this.parts?.engine.stop(GRACE_MS);
    }
  }

  /** @returns whether what is awaited has settled by `limit`, in milliseconds since the epoch */
  private async drained(awaited: DrainScope, limit: number): Promise<boolean> {
    if (this.parts === undefined || !this.isStarted) {
      return true; // what was never started is not waited for
    }
    const { engine, clock } = this.parts;
    const drained = engine.drain(this.deadline, awaited);
    return new Promise((resolve, reject) => {
      const callOff = clock.after(Math.max(0, limit - clock.now()), () => resolve(false));
      drained.finally(callOff).then(() => resolve(true), reject);
    });
  }
}

/**
 * A module of its own, because Nest orders hooks by the distance of modules from the root: none is
 * nearer than this one.
 */
@Module({
  providers: [
    {
      provide: Lifecycle,
      inject: [ModulesContainer],
      useFactory: (modules: ModulesContainer) => {
        for (const module of modules.values()) {
          if (module.metatype === LifecycleModule) {
            module.distance = -1;
          }
        }
        return new Lifecycle();
      },
    },
  ],
  exports: [Lifecycle],
})
export class LifecycleModule {}
