import { Injectable, type INestApplicationContext, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Background,
  currentTask,
  TaskRunner,
  type BackgroundTasksOptions,
  type TaskEvent,
} from 'nestjs-background-tasks';
import { bullmq, type BullMQOptions } from 'nestjs-background-tasks/bullmq';
import { Deferred } from '../../support/deferred.js';
import { Waiting } from '../../support/waiting.js';
import { LogBook } from '../../support/log-book.js';
import { rootModule as moduleOf } from '../support/root-module.js';

/** What the tasks of a suite do, and what they have done. */
@Injectable()
export class Work {
  readonly done: string[] = [];
  readonly attempts: number[] = [];
  readonly signals: AbortSignal[] = [];
  private readonly gates = new Map<string, Deferred>();
  private readonly waiting = new Waiting();

  @Background({ name: 'note' })
  async note(text: string): Promise<void> {
    this.did(text);
  }

  @Background({ name: 'fail', retry: { attempts: 3, delay: 20, jitter: 'none' } })
  async fail(text: string, times: number): Promise<void> {
    const { attempt, log } = currentTask();
    log(`attempt ${attempt}`);
    this.attempts.push(attempt);
    this.did(`${text} ${attempt}`);
    if (attempt <= times) {
      throw new Error(`${text} failed in attempt ${attempt}`);
    }
  }

  /** Runs until its gate is opened, or it is told to stop. */
  @Background({ name: 'wait' })
  async wait(text: string): Promise<void> {
    const { signal, progress } = currentTask();
    this.signals.push(signal);
    progress({ at: text });
    this.did(`${text} begins`);
    const stopped = new Promise<void>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    await Promise.race([this.gate(text).promise, stopped]);
    this.did(`${text} ends`);
  }

  open(text: string): void {
    this.gate(text).resolve();
  }

  /** What waits for the gate fails instead. */
  break(text: string): void {
    this.gate(text).reject(new Error(`${text} broke`));
  }

  /** Resolves once `text` has been done, `times` over. */
  until(text: string, times = 1): Promise<void> {
    return this.waiting.until(() => this.done.filter((done) => done === text).length >= times);
  }

  private did(text: string): void {
    this.done.push(text);
    this.waiting.lookAgain();
  }

  private gate(text: string): Deferred {
    const gate = this.gates.get(text) ?? new Deferred();
    this.gates.set(text, gate);
    return gate;
  }
}

/** An application without a server. */
export interface TestApp {
  readonly app: INestApplicationContext;
  readonly tasks: TaskRunner;
  readonly work: Work;
  readonly events: TaskEvent[];
  readonly log: LogBook;
  close(): Promise<void>;
}

export function rootModule(
  bull: BullMQOptions,
  options: BackgroundTasksOptions = {},
  providers: Type[] = [Work],
  controllers: Type[] = [],
): Type {
  // A busy machine stores later than an application would wait for it.
  const engine = bullmq({ commitTimeout: '20s', ...bull });
  return moduleOf({ options: { engine, drainTimeout: '10s', ...options }, providers, controllers });
}

export async function startApp(
  bull: BullMQOptions,
  options: BackgroundTasksOptions = {},
  providers: Type[] = [Work],
): Promise<TestApp> {
  const log = new LogBook();
  const root = rootModule(bull, options, providers);
  const app = await NestFactory.createApplicationContext(root, { logger: log });
  const tasks = app.get(TaskRunner);
  const events: TaskEvent[] = [];
  tasks.events.subscribe((event) => events.push(event));
  return {
    app,
    tasks,
    work: providers.includes(Work) ? app.get(Work) : new Work(),
    events,
    log,
    close: () => app.close(),
  };
}
