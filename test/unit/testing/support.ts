import { Injectable, type Type } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { Background, TaskRunner, type BackgroundTasksOptions } from 'nestjs-background-tasks';
import {
  BackgroundTasksTesting,
  type TestingMode,
  type TestingOptions,
} from 'nestjs-background-tasks/testing';
import { rootModule } from '../../e2e/support/root-module.js';
import { LogBook } from '../../support/log-book.js';

@Injectable()
export class Mailer {
  readonly sent: unknown[] = [];
  failures = 0;
  /** What the next deliveries wait for. */
  gate: Promise<void> | undefined;

  @Background({ queue: 'emails', retry: { attempts: 3, delay: '10s', jitter: 'none' } })
  async sendWelcome(userId: unknown): Promise<void> {
    await this.gate;
    if (this.failures-- > 0) {
      throw new Error(`no connection for ${String(userId)}`);
    }
    this.sent.push(userId);
  }

  @Background({ batch: { size: 10, wait: '5s' } })
  async sendAll(userIds: string[]): Promise<void> {
    this.sent.push(userIds);
  }

  plain(): void {
    this.sent.push('plain');
  }
}

export interface TestApp<M = Mailer> {
  readonly tasks: BackgroundTasksTesting;
  readonly module: TestingModule;
  readonly mailer: M;
  readonly runner: TaskRunner;
}

/** An initialized application with a {@link Mailer}, under the kit. */
export const startApp = (
  mode: TestingMode | TestingOptions,
  options?: BackgroundTasksOptions,
): Promise<TestApp> => startAppWith(Mailer, mode, options);

export async function startAppWith<M>(
  type: Type<M>,
  mode: TestingMode | TestingOptions,
  options: BackgroundTasksOptions = {},
): Promise<TestApp<M>> {
  const queues = { emails: {}, ...options.queues };
  const root = rootModule({ options: { ...options, queues }, providers: [type] });
  const tasks = new BackgroundTasksTesting(mode);
  const module = await tasks
    .install(Test.createTestingModule({ imports: [root] }))
    .setLogger(new LogBook())
    .compile();
  await module.init();
  return { tasks, module, mailer: module.get(type), runner: module.get(TaskRunner) };
}
