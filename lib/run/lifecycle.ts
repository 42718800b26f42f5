import {
  Logger,
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { Engine, Restorer } from '../engine/engine.js';
import type { TaskEvents } from '../observe/task-events.js';
import type { Clock } from '../task/clock.js';

/** What starts and stops with the application. */
export interface LifecycleParts {
  readonly engine: Engine;
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
  private deadline: number | undefined;

  take(parts: LifecycleParts): void {
    this.parts = parts;
  }

  async onApplicationBootstrap(): Promise<void> {
    if (process.listenerCount('SIGTERM') === 0) {
      new Logger('BackgroundTasks').warn(
        'Nobody listens to SIGTERM: a task that runs when the process is told to stop is lost. ' +
          'Call app.enableShutdownHooks() before app.listen().',
      );
    }
    await this.parts?.engine.start(this.parts.restorer);
  }

  onModuleDestroy(): Promise<void> {
    return this.drain(false);
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.drain(false);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.drain(true);
    await this.parts?.engine.stop(GRACE_MS);
    await this.parts?.engine.close();
    this.parts?.events.complete();
  }

  /** All drains of one shutdown share its deadline; past it, what is left is given up. */
  private async drain(withCollected: boolean): Promise<void> {
    if (this.parts === undefined) {
      return;
    }
    const { engine, clock, drainTimeoutMs } = this.parts;
    this.deadline ??= clock.now() + drainTimeoutMs;
    const drained = engine.drain(this.deadline, withCollected).then(() => true);
    if (!(await Promise.race([drained, this.untilDeadline(clock, this.deadline, drained)]))) {
      await engine.stop(GRACE_MS);
    }
  }

  private untilDeadline(clock: Clock, deadline: number, drained: Promise<unknown>): Promise<false> {
    return new Promise((resolve) => {
      const callOff = clock.after(Math.max(0, deadline - clock.now()), () => resolve(false));
      void drained.then(callOff);
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
