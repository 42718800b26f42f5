import type { DynamicModule } from '@nestjs/common';
import { BackgroundTasksModule, type TaskHandle, type TaskRunner } from 'nestjs-background-tasks';

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
