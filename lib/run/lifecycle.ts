import {
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { DrainScope, Engine, Restore } from '../engine/engine.js';
import { printable } from '../errors/printable.js';
import { LogLine, type Log } from '../observe/log.js';
import type { TaskEvents } from '../observe/task-events.js';
import { ambient } from '../task/ambient.js';
import type { Clock } from '../task/clock.js';
import type { Task } from '../task/task.js';

/** Holds the tasks of open requests. */
export interface OpenRequests {
  /** Resolves when the tasks of responses that have closed are released. */
  whenClosedReleased(): Promise<void> | void;
  /** The tasks whose responses have not closed. */
  collected(): Iterable<Task>;
  /** Abandons those tasks, after the engine has stopped. */
  abandon(): void;
}

/** The schedules, which add tasks by the clock. */
export interface Ticking {
  start(): void;
  /** Resolves when no tick is under way. */
  stop(): Promise<void>;
}

/** The part of Node.js' server that is used here. */
export interface OpenServer {
  readonly listening?: boolean;
  getConnections?(callback: (error: unknown, count: number) => void): void;
}

export interface LifecycleParts {
  readonly engine: Engine;
  readonly restore: Restore;
  readonly requests: OpenRequests;
  readonly schedules: Ticking;
  readonly events: TaskEvents;
  readonly clock: Clock;
  readonly log: Log;
  readonly drainTimeoutMs: number;
  /** One description per queue, with its engine. */
  readonly queues: readonly string[];
  /** The HTTP server, if there is one. */
  readonly server: () => OpenServer | undefined;
  /** Stops accepting calls, because the application has closed or could not start. */
  readonly leave: () => void;
}

/** How long running tasks may take to heed their signals after the drain. */
const GRACE_MS = 1_000;

/** How many queues or tasks one log line names. */
const MAX_NAMED = 10;

/**
 * Last to start, first to stop: tasks run only while everything that they may need is open.
 *
 * Nest calls the hooks of a closing application module by module. A module that disconnects a
 * database in `onModuleDestroy` (Prisma) must find the tasks drained, so the first drain comes
 * before that. Requests in flight add tasks until the server has closed, so another drain follows,
 * before modules disconnect in `onApplicationShutdown` (TypeORM, Mongoose, MikroORM).
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
  private isClosing = false;
  /** The rest of `drainTimeout`. Time between the drains does not count: it belongs to other hooks. */
  private leftMs = 0;
  private callOffTelling: (() => void) | undefined;

  take(parts: LifecycleParts): void {
    this.parts = parts;
    this.leftMs = parts.drainTimeoutMs;
  }

  /**
   * Opens the stores. No task starts yet.
   *
   * @param opened accepts the calls that came before
   */
  open(opened: () => Promise<void>): Promise<void> {
    return this.orGiveUp(async ({ engine, restore }) => {
      await engine.open(restore);
      await opened();
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    this.isStarted = true;
    await this.orGiveUp(async ({ engine, events }) => {
      events.onStart.forEach((act) => act());
      await engine.start();
    });
    this.parts?.schedules.start();
    this.tellStart();
    // Deferred: an application context has started before its caller can enable the shutdown hooks.
    this.parts?.clock.soon(() => this.warnOfSignals());
  }

  /**
   * The server is still open, so new requests may add tasks without end. Half of the drain time
   * waits for them; the other half only for the tasks that are there.
   */
  async onModuleDestroy(): Promise<void> {
    if (this.parts !== undefined) {
      const { drainTimeoutMs, requests, schedules } = this.parts;
      this.isClosing = true;
      const here = ambient.getStore();
      if (here?.kind === 'task' && here.isRunning) {
        here.task.isClosingTheApplication = true;
      }
      this.tellAfter(drainTimeoutMs + GRACE_MS);
      await schedules.stop();
      await requests.whenClosedReleased();
      if (!(await this.drained('released', this.leftMs / 2))) {
        await this.drain('present');
      }
    }
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.drain('present');
  }

  async onApplicationShutdown(): Promise<void> {
    this.callOffTelling?.();
    await this.drain('collected');
    await this.parts?.engine.stop(GRACE_MS);
    this.parts?.requests.abandon();
    await this.parts?.engine.close();
    this.parts?.events.complete();
    this.parts?.leave();
  }

  /** Closes what was opened if the start fails: nothing else may close such an application. */
  private async orGiveUp(step: (parts: LifecycleParts) => Promise<void>): Promise<void> {
    if (this.parts === undefined) {
      return;
    }
    const { engine, events, leave } = this.parts;
    try {
      await step(this.parts);
    } catch (error) {
      this.isStarted = false;
      leave();
      // The first error counts.
      await Promise.resolve(engine.close()).catch(() => undefined);
      events.complete();
      throw error;
    }
  }

  private tellStart(): void {
    if (this.parts !== undefined) {
      const { engine, log, queues } = this.parts;
      log.log(new LogLine({ event: 'ready' }, `Tasks run from now on. Queues: ${named(queues)}`));
      const resumed = [...engine.tasks()].filter(({ isFromStore }) => isFromStore).length;
      if (resumed > 0) {
        const sentence = `Resumed ${count(resumed, 'task')} that an earlier process left behind`;
        log.log(new LogLine({ event: 'resumed', count: resumed }, sentence));
      }
    }
  }

  private warnOfSignals(): void {
    if (!this.isClosing && process.listenerCount('SIGTERM') === 0) {
      this.parts?.log.warn(
        new LogLine(
          { event: 'no-shutdown-hooks' },
          'Nothing listens for SIGTERM: it would end the process and lose the running tasks. Call ' +
            "app.enableShutdownHooks(['SIGTERM', 'SIGINT']) before app.listen(), or on the application context.",
        ),
      );
    }
  }

  private async drain(awaited: DrainScope): Promise<void> {
    if (!(await this.drained(awaited, this.leftMs))) {
      await this.parts?.engine.stop(GRACE_MS);
    }
  }

  /** @returns whether the awaited tasks have settled within `limitMs` */
  private async drained(awaited: DrainScope, limitMs: number): Promise<boolean> {
    if (this.parts === undefined || !this.isStarted) {
      return true; // nothing was started
    }
    const { engine, clock } = this.parts;
    const startedAt = clock.now();
    const drained = engine.drain(startedAt + this.leftMs, awaited);
    try {
      return await new Promise((resolve, reject) => {
        const callOff = clock.after(limitMs, () => resolve(false));
        drained.finally(callOff).then(() => resolve(true), reject);
      });
    } finally {
      this.leftMs = Math.max(0, this.leftMs - (clock.now() - startedAt));
    }
  }

  /** Nest waits for open requests silently and without a limit: the operator would see only a kill. */
  private tellAfter(delayMs: number): void {
    const { clock, log, requests, server } = this.parts as LifecycleParts;
    this.callOffTelling = clock.after(delayMs, () => {
      const closing = server();
      if (closing?.listening === true) {
        return this.tellAfter(GRACE_MS); // the server still listens: other modules' hooks take the time
      }
      closing?.getConnections?.((_, open) => {
        if (open > 0) {
          const tasks = Array.from(requests.collected(), ({ name, id }) => `${name} (${id})`);
          const theirs = tasks.length > 0 ? ` Their tasks wait with them: ${named(tasks)}.` : '';
          const sentence =
            `The shutdown waits for ${count(open, 'open request')}, and Nest sets no limit. With ` +
            'NestFactory.create(AppModule, { forceCloseConnections: true }) it ends their connections; ' +
            `otherwise they have to end before the process is killed.${theirs}`;
          log.warn(new LogLine({ event: 'requests-open', count: open }, sentence));
        }
      });
    });
  }
}

function count(many: number, what: string): string {
  return many === 1 ? `1 ${what}` : `${many} ${what}s`;
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMED).map((name) => printable(name, 100));
  const more = names.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/**
 * A separate module, because Nest orders hooks by a module's distance from the root: none is nearer
 * than this one.
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
