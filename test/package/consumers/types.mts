import type { DynamicModule } from '@nestjs/common';
import { BackgroundTasksModule, type TaskHandle, type TaskRunner } from 'nestjs-background-tasks';
import { bullmq, type BullMQOptions } from 'nestjs-background-tasks/bullmq';
import { journal, type JournalOptions } from 'nestjs-background-tasks/journal';
import {
  BackgroundTasksThreadsModule,
  threadFunction,
  transfer,
} from 'nestjs-background-tasks/threads';

export const configured: DynamicModule = BackgroundTasksModule.forRoot({
  retry: { attempts: 3, delay: '1s' },
  queues: { emails: { concurrency: 5 } },
});

const task = (name: string, times: number) => `${name} ${times}`;

export function greet(runner: TaskRunner): TaskHandle {
  // @ts-expect-error the second argument is a number
  runner.addTask(task, 'Ada', 'twice');
  // @ts-expect-error a queue is named by a string
  runner.addTask({ queue: 1 }, task, 'Ada', 2);
  return runner.addTask(task, 'Ada', 2);
}

export const threads: DynamicModule = BackgroundTasksThreadsModule.forRoot({
  threads: 2,
  idleTimeout: '30s',
});

const resize = (path: string, width: number): number => path.length * width;
const resizeInThread = threadFunction<typeof resize>(
  new URL('./resize.js', import.meta.url),
  'resize',
);

export function thumbnail(runner: TaskRunner): Promise<number> {
  // @ts-expect-error the second argument is a number
  runner.addTask(resizeInThread, 'a.png', 'wide');
  runner.addTask(resizeInThread, 'a.png', 320);
  const bytes: Uint8Array = transfer(new Uint8Array(8));
  return resizeInThread('a.png', bytes.byteLength);
}

const kept: JournalOptions = { path: './var/tasks', commitTimeout: '1s' };
const shared: BullMQOptions = { connection: { host: '127.0.0.1', port: 6379 }, role: 'both' };

export const durable: DynamicModule = BackgroundTasksModule.forRoot({
  engine: journal(kept),
  queues: {
    mails: { engine: bullmq(shared) },
    // @ts-expect-error a store is chosen by a function, not by name
    reports: { engine: 'journal' },
  },
});
// @ts-expect-error it has to be told where its folder is
journal({});
// @ts-expect-error there is no such role
bullmq({ connection: 'redis://127.0.0.1:6379', role: 'consumer' });
