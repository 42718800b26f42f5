import type { LoggerService } from '@nestjs/common';
import type { Clock } from '../../../task/clock.js';
import type { Task } from '../../../task/task.js';
import type { KeepLimits, Restore, Worker } from '../../engine.js';
import type { JobStore } from '../store/job-store.js';
import type { UnknownNames } from './unknown-names.js';

/** The part of an engine's settings that is needed here. */
export interface ConsumerSettings {
  readonly lockDurationMs: number;
  readonly maxStarts: number;
  /** How many completed tasks of a queue are kept. */
  readonly remember: number;
  /** How many that have failed, and for how long. */
  readonly keep: Pick<KeepLimits, 'count' | 'ageMs'>;
}

/** What a consumer shares with the others of its engine. */
export interface ConsumerHost {
  readonly store: JobStore;
  /** This process, as the jobs that it adds name it. */
  readonly processId: string;
  readonly settings: ConsumerSettings;
  readonly restore: Restore;
  readonly worker: Worker;
  readonly clock: Clock;
  readonly logger: LoggerService;
  readonly unknown: UnknownNames;
  /** An attempt has begun. */
  started(task: Task): void;
  /** Recorded and announced: for the handle that this process may have of the task. */
  settled(task: Task): void;
  /** Another worker has it, and tells how it ends. */
  lost(task: Task): void;
  /** Runs nothing of this process beside `act`. */
  alone<T>(act: () => Promise<T>): Promise<T>;
  /** Nothing of it is under way here any more. */
  freed(): void;
}
