/** Compiled with `exactOptionalPropertyTypes`, too: there `undefined` has to be said. */
import type {
  BackgroundOptions,
  BackgroundTasksOptions,
  CarryOptions,
  QueueOptions,
  RetryOptions,
  TaskFilter,
  TaskOptions,
} from 'nestjs-background-tasks';
import type { BoardOptions } from 'nestjs-background-tasks/board';
import type { BullMQOptions } from 'nestjs-background-tasks/bullmq';
import type { JournalOptions } from 'nestjs-background-tasks/journal';
import type { MetricsOptions } from 'nestjs-background-tasks/metrics';
import type { TestingOptions } from 'nestjs-background-tasks/testing';
import type { BackgroundTasksThreadsOptions } from 'nestjs-background-tasks/threads';

/** What may be left out may be `undefined`. */
type Undefinable<T> = { [Key in keyof T as undefined extends T[Key] ? Key : never]: undefined };
type OptionalKeys<T> = { [Key in keyof T]-?: object extends Pick<T, Key> ? Key : never }[keyof T];
type Left<T> = Exclude<OptionalKeys<T>, keyof Undefinable<T>>;

export const left: [
  Left<TaskOptions>,
  Left<BackgroundOptions>,
  Left<RetryOptions>,
  Left<QueueOptions>,
  Left<CarryOptions>,
  Left<BackgroundTasksOptions>,
  Left<TaskFilter>,
  Left<BoardOptions>,
  Left<BullMQOptions>,
  Left<JournalOptions>,
  Left<MetricsOptions>,
  Left<TestingOptions>,
  Left<BackgroundTasksThreadsOptions>,
][] = [];

export const none: never[] = left.flat();

export const options: TaskOptions = { timeout: undefined, retry: undefined };
