import library = require('nestjs-background-tasks');
import threads = require('nestjs-background-tasks/threads');

const task = (name: string, times: number) => `${name} ${times}`;

export function greet(runner: library.TaskRunner): library.TaskHandle {
  // @ts-expect-error the second argument is a number
  runner.addTask(task, 'Ada', 'twice');
  return runner.addTask(task, 'Ada', 2);
}

export const configured = library.BackgroundTasksModule.forRoot();

export const inThreads = threads.threadFunction<typeof task>(new URL('file:///task.js'), 'task');
