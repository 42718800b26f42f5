import type { Task } from '../task/task.js';
import type { Dropped, Verdict } from '../task/verdict.js';

/**
 * Keeps tasks between release and attempt: it owns time and storage. What an attempt is, and what
 * its failure means, is the {@link Worker}'s.
 */
export interface Engine {
  /**
   * A place for one more task, asked for when it is added, before anything is promised.
   *
   * @throws ShutDownError
   */
  admit(task: Task): void;

  /**
   * The handler completed: from here on the tasks count. A durable engine stores them all in one
   * operation, and the response waits for it.
   */
  commit(tasks: readonly Task[]): Promise<void> | void;

  /** The task may start, and the line of its successors after it. */
  release(task: Task): void;

  /** Gives back the place of an admitted task that will never be released. */
  discard(task: Task): void;

  /** @returns whether there was anything left to cancel */
  cancel(task: Task): boolean;

  /** From here on tasks are attempted. */
  start(): Promise<void> | void;

  /**
   * Resolves when everything released has settled, except what could not start before `deadline`
   * (milliseconds since the epoch). New tasks are still admitted.
   */
  drain(deadline: number): Promise<void>;

  /** Attempts nothing more, interrupts what runs, and settles what is left as abandoned. */
  stop(): Promise<void> | void;
}

/** What an engine calls: the meaning of a task. */
export interface Worker {
  /** Runs the body once. Never rejects. */
  attempt(task: Task): Promise<Verdict>;
  /** The engine has recorded this verdict: tell everyone. Never throws. */
  announce(task: Task, verdict: Verdict | Dropped): void;
}
