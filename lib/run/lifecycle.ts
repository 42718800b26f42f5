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

/** Who holds the tasks of requests that are not over. */
export interface OpenRequests {
  /** Resolves when the tasks of responses that have closed are released. */
  whenClosedReleased(): Promise<void> | void;
  /** The tasks of the others. */
  collected(): Iterable<Task>;
  /** Gives them up. The engine has stopped. */
  abandon(): void;
}

/** What adds tasks by the clock. */
export interface Ticking {
  start(): void;
  /** Resolves when no tick is under way. */
  stop(): Promise<void>;
}

/** The part of Node.js's server that is needed here. */
export interface OpenServer {
  readonly listening?: boolean;
  getConnections?(callback: (error: unknown, count: number) => void): void;
}

/** What starts and stops with the application. */
export interface LifecycleParts {
  readonly engine: Engine;
  readonly restore: Restore;
  readonly requests: OpenRequests;
  readonly schedules: Ticking;
  readonly events: TaskEvents;
  readonly clock: Clock;
  readonly log: Log;
  readonly drainTimeoutMs: number;
  /** In words, each with its engine. */
  readonly queues: readonly string[];
  /** Where requests come in, if they do. */
  readonly server: () => OpenServer | undefined;
  /** Nothing is taken in any more: it has closed, or could not start. */
  readonly leave: () => void;
}

/** How long what is still running after the drain may take to heed its signal. */
const GRACE_MS = 1_000;

/** As many queues, or tasks, are named in one line. */
const MAX_NAMED = 10;

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
  private isClosing = false;
  /** What is left of `drainTimeout`: the time between the drains belongs to others. */
  private leftMs = 0;
  private callOffTelling: (() => void) | undefined;

  take(parts: LifecycleParts): void {
    this.parts = parts;
    this.leftMs = parts.drainTimeoutMs;
  }

  /**
   * Makes the stores ready; tasks are not started yet.
   *
   * @param opened takes in what came before
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
    // A context without a server has started before its caller gets it and can ask for the hooks.
    this.parts?.clock.soon(() => this.warnOfSignals());
  }

  /**
   * Nothing has been closed yet, the server included: where requests keep coming, there may always
   * be another task. Half of the time is for that to end; then only what is there is waited for.
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

  /** Nobody may close an application that cannot start: what it has opened by then is closed here. */
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
      // What went wrong first is what counts.
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
          'Nobody listens to SIGTERM: it would end the process and lose the tasks that run. Call ' +
            "app.enableShutdownHooks(['SIGTERM', 'SIGINT']) before app.listen(), or on the application context.",
        ),
      );
    }
  }

  /** When the time is over, what is left is given up. */
  private async drain(awaited: DrainScope): Promise<void> {
    if (!(await this.drained(awaited, this.leftMs))) {
      await this.parts?.engine.stop(GRACE_MS);
    }
  }

  /** @returns whether what is awaited has settled within `limitMs` */
  private async drained(awaited: DrainScope, limitMs: number): Promise<boolean> {
    if (this.parts === undefined || !this.isStarted) {
      return true; // what was never started is not waited for
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

  /** Nest waits for open requests without a limit, and says nothing: the operator would see a kill. */
  private tellAfter(delayMs: number): void {
    const { clock, log, requests, server } = this.parts as LifecycleParts;
    this.callOffTelling = clock.after(delayMs, () => {
      const closing = server();
      if (closing?.listening === true) {
        return this.tellAfter(GRACE_MS); // it is the hooks of other modules that take their time
      }
      closing?.getConnections?.((_, open) => {
        if (open > 0) {
          const tasks = Array.from(requests.collected(), ({ name, id }) => `${name} (${id})`);
          const theirs = tasks.length > 0 ? ` Their tasks wait with them: ${named(tasks)}.` : '';
          const sentence =
            `The shutdown waits for ${count(open, 'open request')}, and Nest sets no limit: ` +
            'NestFactory.create(AppModule, { forceCloseConnections: true }) ends their connections, ' +
            `else they have to end by themselves before the process is killed.${theirs}`;
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
