import type { BackgroundTasks, Outcome, TaskHandle, TaskRunner } from 'nestjs-background-tasks';

declare function send(to: string, copies: number): void;
declare function sendLater(to: string): Promise<void>;
declare function count(items: readonly string[]): number;
declare function greet(name: string, greeting?: string): void;
declare function log(...parts: string[]): void;
declare function ping(): void;
declare class Mailer {
  send(to: string): Promise<void>;
}
declare const mailer: Mailer;

/** `BackgroundTasks` and `TaskRunner` are called alike. */
export function addTasks(tasks: BackgroundTasks | TaskRunner): TaskHandle[] {
  return [
    tasks.addTask(send, 'Ann', 2),
    // What a function returns is not looked at.
    tasks.addTask(sendLater, 'Ann'),
    tasks.addTask(count, ['a', 'b']),
    tasks.addTask(greet, 'Ann'),
    tasks.addTask(greet, 'Ann', 'Hello'),
    tasks.addTask(log),
    tasks.addTask(log, 'a', 'b', 'c'),
    tasks.addTask(ping),
    tasks.addTask(() => mailer.send('Ann')),
    tasks.addTask(mailer.send.bind(mailer), 'Ann'),
    tasks.addTask((to: string, copies: number) => send(to, copies), 'Ann', 2),
  ];
}

export function addTasksWithOptions(tasks: BackgroundTasks | TaskRunner): TaskHandle[] {
  return [
    tasks.addTask({}, ping),
    tasks.addTask({ queue: 'mails', priority: 'high' }, send, 'Ann', 2),
    tasks.addTask({ delay: '30s', timeout: 5000, retry: false, when: 'always' }, sendLater, 'Ann'),
    tasks.addTask({ retry: { attempts: 3, backoff: (attempt) => attempt * 100 } }, greet, 'Ann'),
    tasks.addTask({ retry: { attempts: 3, retryIf: (error) => error instanceof Error } }, ping),
    tasks.addTask({ name: undefined }, ping),
  ];
}

export function refuseArguments(tasks: BackgroundTasks | TaskRunner): void {
  // @ts-expect-error 2769 an argument is missing
  tasks.addTask(send, 'Ann');
  // @ts-expect-error 2345 all are missing
  tasks.addTask(send);
  // @ts-expect-error 2769 one too many
  tasks.addTask(send, 'Ann', 2, 3);
  // @ts-expect-error 2769 of the wrong type
  tasks.addTask(send, 'Ann', 'twice');
  // @ts-expect-error 2769 an optional one of the wrong type
  tasks.addTask(greet, 'Ann', 5);
  // @ts-expect-error 2769 a rest of the wrong type
  tasks.addTask(log, 'a', 5);
  // @ts-expect-error 2769 an argument is missing, after options
  tasks.addTask({ queue: 'mails' }, send, 'Ann');
  // @ts-expect-error 2769 of the wrong type, after options
  tasks.addTask({ queue: 'mails' }, send, 'Ann', 'twice');
}

export function refuseWhatIsNoFunction(tasks: BackgroundTasks | TaskRunner): void {
  // @ts-expect-error 2345 the function was called
  tasks.addTask(sendLater('Ann'));
  // @ts-expect-error 2769 the function was called, after options
  tasks.addTask({ queue: 'mails' }, sendLater('Ann'));
  // @ts-expect-error 2353 nothing after the options
  tasks.addTask({ queue: 'mails' });
  // @ts-expect-error 2555 nothing at all
  tasks.addTask();
  // @ts-expect-error 2769 a name is no function
  tasks.addTask('send', 'Ann', 2);
  // @ts-expect-error 2345 a class is not called
  tasks.addTask(Mailer);
}

export function refuseOptions(tasks: BackgroundTasks | TaskRunner): void {
  // @ts-expect-error 2769 no such option
  tasks.addTask({ queu: 'mails' }, ping);
  // @ts-expect-error 2769 numbers mislead
  tasks.addTask({ priority: 1 }, ping);
  // @ts-expect-error 2769 no such end
  tasks.addTask({ when: 'later' }, ping);
  // @ts-expect-error 2769 not a duration
  tasks.addTask({ delay: '30 secs' }, ping);
  // @ts-expect-error 2769 retry takes an object, or false
  tasks.addTask({ retry: 3 }, ping);
  // @ts-expect-error 2769 no such option of retry
  tasks.addTask({ retry: { atempts: 3 } }, ping);
  // @ts-expect-error 2769 no such backoff
  tasks.addTask({ retry: { attempts: 3, backoff: 'linear' } }, ping);
  // @ts-expect-error 2769 a promise is no duration
  tasks.addTask({ retry: { attempts: 3, backoff: async () => 100 } }, ping);
  // @ts-expect-error 2769 a promise is no answer
  tasks.addTask({ retry: { attempts: 3, retryIf: async () => true } }, ping);
}

export async function readOutcome(handle: TaskHandle): Promise<unknown[]> {
  const outcome: Outcome = await handle.whenSettled();
  switch (outcome.status) {
    case 'completed':
      return [outcome.attempts, outcome.durationMs];
    case 'failed':
      return [outcome.attempts, outcome.durationMs, outcome.error];
    case 'cancelled':
    case 'abandoned':
      // @ts-expect-error 2339 there is no error
      return [outcome.attempts, outcome.error];
    case 'dropped':
      // @ts-expect-error 2339 it was never attempted
      return [outcome.reason, outcome.attempts];
  }
}

export function changeHandle(handle: TaskHandle): void {
  // @ts-expect-error 2540 read only
  handle.id = 'another';
  // @ts-expect-error 2540 read only
  handle.status = 'completed';
}
