import { ChainError } from '../errors/misuse.errors.js';
import { QueueFullError } from '../errors/queue-full.error.js';
import type { Chain, Task } from './task.js';

/**
 * The one owner of order. A line is tasks of one engine of which each waits for the one before it:
 * those of a request, or a chain. What follows from the end of a task is decided here, for every
 * engine; an engine that stores tasks only writes the links down.
 */

/** How a task stands that others wait for. A duplicate has completed: another task does its work. */
export type Standing = 'open' | 'completed' | 'failed';

/** Whether a task may start now, has to wait, or never runs. */
export type Turn = 'now' | 'wait' | 'never';

/** What a line knows of a task, in this process or in a store. */
export interface Link {
  /** The chain that the task is part of, or its id: compared, not looked into. */
  readonly chain?: unknown;
  readonly isOver: boolean;
}

/** What follows from the end of a task. */
export interface Following<L> {
  /** Those that will not run, because a task of their chain did not complete: in order. */
  readonly dropped: readonly L[];
  /** The task whose turn it is now; `undefined` where none is left. */
  readonly next: L | undefined;
}

/**
 * Whether a task may start.
 *
 * @param prior how the task before it in its line stands
 * @param needed how the task before it in its chain stands
 */
export function turnOf(prior: Standing | undefined, needed: Standing | undefined): Turn {
  if (prior === 'open' || needed === 'open') {
    return 'wait';
  }
  return needed === 'failed' ? 'never' : 'now';
}

/**
 * What follows from the end of a task.
 *
 * @param chain the one that the ended task was part of
 * @param standing how it ended
 * @param rest the tasks behind it in its line, in order; read no further than is needed
 */
export function following<L extends Link>(
  chain: unknown,
  standing: Standing,
  rest: Iterable<L>,
): Following<L> {
  let isDropping = chain !== undefined && standing === 'failed';
  const dropped: L[] = [];
  let next: L | undefined;
  for (const link of rest) {
    const isOfChain = isDropping && link.chain === chain;
    if (isOfChain && !link.isOver) {
      dropped.push(link);
    } else if (isOfChain) {
      isDropping = false; // as that one ended, those behind it were dropped
    } else if (!link.isOver) {
      next ??= link;
    }
    if (next !== undefined && !isDropping) {
      break;
    }
  }
  return { dropped, next };
}

export function standingOf({ isOver, hasCompleted }: Task): Standing {
  if (!isOver) {
    return 'open';
  }
  return hasCompleted ? 'completed' : 'failed';
}

/** The tasks behind one in its line. */
export function* behind(task: Task): Generator<Task> {
  for (let next = task.successor; next !== undefined; next = next.successor) {
    yield next;
  }
}

/** A head and the tasks behind it. */
export function lineFrom(head: Task): Task[] {
  // No generator: this is asked of each task that is stored, and most of them stand alone.
  const line = [head];
  for (let next = head.successor; next !== undefined; next = next.successor) {
    line.push(next);
  }
  return line;
}

/** Takes an ended head off its line. @returns the one behind it */
export function takeOff(head: Task): Task | undefined {
  const { successor } = head;
  if (successor !== undefined) {
    head.successor = undefined;
    successor.prior = undefined;
  }
  return successor;
}

/** Makes a task the next of a chain. */
export function join(chain: Chain, task: Task): void {
  task.chain = chain;
  task.needs = chain.last;
  chain.last = task;
}

/**
 * Has a task that belongs to no request follow the one that it needs.
 *
 * @returns whether it may run, as far as is known
 */
export function follow(task: Task): boolean {
  task.prior = task.needs;
  return turnNow(task) !== 'never';
}

/** Puts a head behind its prior, where that has not settled. @returns whether it may start */
export function fallIn(head: Task): Turn {
  const { prior } = head;
  const turn = turnNow(head);
  if (prior?.isOver === false) {
    // Released with a request, the prior may have others behind it already.
    let last = prior;
    while (last.successor !== undefined && last.successor !== head) {
      last = last.successor;
    }
    last.successor = head;
  }
  return turn;
}

function turnNow({ prior, needs }: Task): Turn {
  return turnOf(prior && standingOf(prior), needs && standingOf(needs));
}

/** How the tasks of a request follow each other. */
export interface LineRules {
  readonly order: 'sequential' | 'concurrent';
  readonly onFailure: 'continue' | 'stop';
  /** Something that only the queues of one engine have in common: no line goes through two engines. */
  readonly engineOf: (queue: string) => unknown;
}

/**
 * Links the tasks of a request to the lines in which they run. It may be asked again when more have
 * come: those stand behind the ones that were linked before.
 *
 * @param tasks all that are or were to run, in the order added
 * @returns the heads of the lines
 */
export function linesOf(tasks: readonly Task[], rules: LineRules): readonly Task[] {
  if (rules.onFailure === 'stop') {
    bind(tasks, rules);
  }
  if (tasks.length <= 1) {
    return tasks;
  }
  const own = new Set(tasks);
  const heads: Task[] = [];
  const lasts = new Map<unknown, Task>();
  for (const task of tasks) {
    const line = lineOf(task, rules);
    const last = line === undefined ? undefined : lasts.get(line);
    if (last === undefined) {
      heads.push(task);
    } else if (task.prior === undefined) {
      // Since the response closed, others may have been added to a chain of theirs.
      let end = last;
      while (end.successor !== undefined && !own.has(end.successor)) {
        end = end.successor;
      }
      end.successor = task;
      task.prior = end;
    }
    if (line !== undefined) {
      lasts.set(line, task);
    }
  }
  return heads;
}

/** Links what was one line before a restart. @returns its head */
export function lineUp(tasks: readonly Task[]): Task | undefined {
  tasks.forEach((task, index) => {
    const prior = tasks[index - 1];
    task.prior = prior;
    if (prior !== undefined) {
      prior.successor = task;
    }
  });
  return tasks[0];
}

/** Those of linked tasks that stand behind none of the others. */
export function headsOf(tasks: readonly Task[]): readonly Task[] {
  if (tasks.length <= 1) {
    return tasks;
  }
  const all = new Set(tasks);
  return tasks.filter(({ prior }) => prior === undefined || !all.has(prior));
}

/** What names the line of a task; `undefined` where it is by itself. */
function lineOf({ chain, queue, settings }: Task, { order, engineOf }: LineRules): unknown {
  if (order === 'concurrent') {
    return chain;
  }
  // What is to start later does not hold up the tasks after it, unless they depend on it.
  return settings.delayMs > 0 && chain === undefined ? undefined : engineOf(queue);
}

/** Makes one chain of all the tasks of a request that one engine has. */
function bind(tasks: readonly Task[], { engineOf }: LineRules): void {
  const chains = new Map<unknown, Chain>();
  for (const { chain, queue } of tasks) {
    // Once only: a task that was cancelled between commit and release has broken this very chain.
    if (chain?.isWholeRequest) {
      chains.set(engineOf(queue), chain);
    }
  }
  for (const task of tasks) {
    const engine = engineOf(task.queue);
    const chain = chains.get(engine) ?? { isWholeRequest: true };
    chains.set(engine, chain);
    if (task.chain !== chain) {
      join(chain, task);
    }
  }
}

/**
 * Takes a whole line in that comes back.
 *
 * @param admit of each task; throws where it cannot be taken
 * @param undo of those that were, if it throws
 * @throws ChainError where the line has more tasks than their queue takes: nobody should wait for room
 */
export function admitAll(
  line: readonly Task[],
  admit: (task: Task) => void,
  undo: (task: Task) => void,
): void {
  const admitted: Task[] = [];
  try {
    for (const task of line) {
      admit(task);
      admitted.push(task);
    }
  } catch (error) {
    admitted.forEach(undo);
    throw (error instanceof QueueFullError && tooLong(line, error)) || error;
  }
}

function tooLong(line: readonly Task[], { queue, maxPending }: QueueFullError): Error | undefined {
  const [first, ...others] = line.filter((task) => task.queue === queue);
  return first === undefined || others.length < maxPending
    ? undefined
    : new ChainError(
        first.name,
        queue,
        undefined,
        `Task "${first.name}" comes back with the ${others.length} tasks of its chain, and queue "${queue}" ` +
          `has room for ${maxPending} only. Raise its maxPending.`,
      );
}
