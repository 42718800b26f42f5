import { ChainError } from '../errors/misuse.errors.js';
import { QueueFullError } from '../errors/queue-full.error.js';
import type { Chain, Task } from './task.js';

/**
 * The one owner of order. A line is a list of tasks on one engine, each waiting for the one before
 * it: the tasks of a request, or a chain. Every engine asks here what follows from the end of a
 * task; an engine that stores tasks only writes the links down.
 */

/** The state of a task that others wait for. A duplicate has completed: another task does its work. */
export type Standing = 'open' | 'completed' | 'failed';

/** Whether a task may start now, has to wait, or never runs. */
export type Turn = 'now' | 'wait' | 'never';

/** A line's view of a task, which may be in this process or in a store. */
export interface Link {
  /** The task's chain, or its id. Only compared for equality. */
  readonly chain?: unknown;
  readonly isOver: boolean;
}

/** What follows from the end of a task. */
export interface Following<L> {
  /** The tasks that will not run because one of their chain did not complete, in order. */
  readonly dropped: readonly L[];
  /** The task whose turn it is now; `undefined` if none is left. */
  readonly next: L | undefined;
}

/**
 * Whether a task may start.
 *
 * @param prior the state of the task before it in its line
 * @param needed the state of the task before it in its chain
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
 * @param chain the chain of the ended task
 * @param standing how the task ended
 * @param rest the tasks behind it in its line, in order; read no further than needed
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
      isDropping = false; // the tasks behind it were dropped when it ended
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
  // No generator, for speed: this runs for each stored task, and most of them stand alone.
  const line = [head];
  for (let next = head.successor; next !== undefined; next = next.successor) {
    line.push(next);
  }
  return line;
}

/** Removes an ended head from its line. @returns the task behind it */
export function takeOff(head: Task): Task | undefined {
  const { successor } = head;
  if (successor !== undefined) {
    head.successor = undefined;
    successor.prior = undefined;
  }
  return successor;
}

export function join(chain: Chain, task: Task): void {
  task.chain = chain;
  task.needs = chain.last;
  chain.last = task;
}

/**
 * Puts a task that belongs to no request behind the one it needs.
 *
 * @returns false if it is known already that it will never run
 */
export function follow(task: Task): boolean {
  task.prior = task.needs;
  return turnNow(task) !== 'never';
}

/** Puts a head behind its prior, unless that has settled. @returns whether the head may start */
export function fallIn(head: Task): Turn {
  const { prior } = head;
  const turn = turnNow(head);
  if (prior?.isOver === false) {
    // The prior may have successors already, if it was released with a request.
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
  /** Identifies the engine of a queue: no line spans two engines. */
  readonly engineOf: (queue: string) => unknown;
}

/**
 * Links the tasks of a request into the lines in which they run. Can be called again when tasks
 * have been added: those go behind the ones already linked.
 *
 * @param tasks all that will run or have run, in the order added
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
      // Since the response closed, other tasks may have been added to this chain.
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

/** Undoes {@link linesOf}: others of the request run than those that were linked. */
export function unlink(tasks: readonly Task[]): void {
  const own = new Set<Task | undefined>(tasks);
  for (const task of tasks) {
    task.successor = own.has(task.successor) ? undefined : task.successor;
    task.prior = own.has(task.prior) ? undefined : task.prior;
    if (task.chain?.isWholeRequest) {
      task.chain = undefined;
      task.needs = undefined;
    }
  }
}

/** Restores a line after a restart. @returns its head */
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

/** The tasks that do not wait for another one of `tasks`. */
export function headsOf(tasks: readonly Task[]): readonly Task[] {
  if (tasks.length <= 1) {
    return tasks;
  }
  const all = new Set(tasks);
  return tasks.filter(({ prior }) => prior === undefined || !all.has(prior));
}

/** Identifies the line of a task; `undefined` if the task stands alone. */
function lineOf({ chain, queue, settings }: Task, { order, engineOf }: LineRules): unknown {
  if (order === 'concurrent') {
    return chain;
  }
  // A delayed task does not hold up the tasks behind it, unless they depend on it.
  return settings.delayMs > 0 && chain === undefined ? undefined : engineOf(queue);
}

/** Makes one chain of all tasks of a request that are on the same engine. */
function bind(tasks: readonly Task[], { engineOf }: LineRules): void {
  const chains = new Map<unknown, Chain>();
  for (const { chain, queue } of tasks) {
    // Keeps an existing chain: a task cancelled between commit and release has broken it.
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
 * Admits a whole line that comes back, or none of it.
 *
 * @param admit called for each task; throws if there is no room
 * @param undo called for the admitted ones if `admit` throws
 * @throws ChainError if the line is longer than its queue allows: waiting for room would never help
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
