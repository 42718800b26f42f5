import {
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { Engine } from '../engine/engine.js';
import type { TaskEvents } from '../observe/task-events.js';
import type { Clock } from '../task/clock.js';

/** What starts and stops with the application. */
export interface LifecycleParts {
  readonly engine: Engine;
  readonly events: TaskEvents;
  readonly clock: Clock;
  readonly drainTimeoutMs: number;
}

/**
 * Last to start, first to stop: tasks run only while everything that they may need is there.
 *
 * Nest calls the hooks of a closing application module by module. Whoever disconnects a database in
 * `onModuleDestroy` (Prisma) must find the tasks drained, so the first drain comes before that; the
 * requests that are in flight add tasks until the server has closed, so the last one comes after.
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
    await this.parts?.engine.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.drain();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.drain();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.drain();
    await this.parts?.engine.stop();
    this.parts?.events.complete();
  }

  /** All drains of one shutdown share its deadline. */
  private async drain(): Promise<void> {
    if (this.parts === undefined) {
      return;
    }
    const { engine, clock, drainTimeoutMs } = this.parts;
    this.deadline ??= clock.now() + drainTimeoutMs;
    const leftMs = Math.max(0, this.deadline - clock.now());
    let callOff: (() => void) | undefined;
    const timeout = new Promise<void>((resolve) => {
      callOff = clock.after(leftMs, resolve);
    });
    await Promise.race([engine.drain(this.deadline), timeout]);
    callOff?.();
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
