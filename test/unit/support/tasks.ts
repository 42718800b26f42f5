import { AsyncResource } from 'node:async_hooks';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import type { BackgroundOptions } from '../../../lib/task/task-options.js';
import type { TaskDefinition } from '../../../lib/task/task-registry.js';
import { Task, type TaskHome, type TaskKeys } from '../../../lib/task/task.js';

/** An application that its tasks find nobody in. */
export const NOBODY: TaskHome = {
  context: new AsyncResource('Nobody'),
  addCall: () => Promise.resolve(),
  mintId: ({ name }) => `id of ${name}`,
  cancel: () => false,
  asked: () => undefined,
};

interface TaskSetting {
  readonly options?: BackgroundOptions;
  readonly keys?: Partial<TaskKeys>;
  readonly args?: readonly unknown[];
  readonly definition?: TaskDefinition;
  readonly addedAt?: number;
}

/** A task by itself, of no application. */
export function bareTask(name: string, home: TaskHome = NOBODY, setting: TaskSetting = {}): Task {
  const { options, keys, args = [], definition, addedAt = 0 } = setting;
  const settings = new ResolvedOptions({}).forTask(undefined, options);
  const allKeys = keys && { dedupe: undefined, concurrency: undefined, ...keys };
  return new Task(
    home,
    name,
    settings,
    () => undefined,
    undefined,
    args,
    definition,
    addedAt,
    allKeys,
  );
}

/** The names of the tasks added in a recording. */
export const added = (events: readonly { type: string; name: string }[]): string[] =>
  events.filter(({ type }) => type === 'added').map(({ name }) => name);

export const statuses = (handles: readonly { readonly status: string }[]): string[] =>
  handles.map(({ status }) => status);
