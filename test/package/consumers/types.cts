import library = require('nestjs-background-tasks');
import durable = require('nestjs-background-tasks/journal');
import shared = require('nestjs-background-tasks/bullmq');
import threads = require('nestjs-background-tasks/threads');

const task = (name: string, times: number) => `${name} ${times}`;

export function greet(runner: library.TaskRunner): library.TaskHandle {
  // @ts-expect-error the second argument is a number
  runner.addTask(task, 'Ada', 'twice');
  return runner.addTask(task, 'Ada', 2);
}

export const configured = library.BackgroundTasksModule.forRoot();

export const inThreads = threads.threadFunction<typeof task>(new URL('file:///task.js'), 'task');

const queues = {
  audit: { engine: durable.journal({ path: './var/audit' }) },
  mails: { engine: shared.bullmq({ connection: { postgres: 'postgres://127.0.0.1/tasks' } }) },
};
export const withEngines = library.BackgroundTasksModule.forRoot({ queues });
