import type { BackgroundTasks, RetryOptions, TaskRunner } from 'nestjs-background-tasks';

declare function ping(): void;

export const options: RetryOptions[] = [
  { attempts: 3, backoff: () => 100 },
  { attempts: 3, backoff: () => '5m' },
  { attempts: 3, backoff: (attempt) => (attempt > 1 ? '5m' : 100) },
  { attempts: 3, backoff: (attempt, error) => (error instanceof Error ? `${attempt}m` : 0) },
  // @ts-expect-error 2322 not a duration
  { attempts: 3, backoff: () => 'soon' },
];

export function addTasks(tasks: BackgroundTasks | TaskRunner): void {
  tasks.addTask({ retry: { attempts: 3, backoff: (attempt) => `${attempt}m` } }, ping);
  // Without parameters, its type must not be settled before the options have been looked at.
  tasks.addTask({ retry: { attempts: 3, backoff: () => '5m' } }, ping);
}
