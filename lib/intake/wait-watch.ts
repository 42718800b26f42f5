import type { OpenRequest } from '../task/ambient.js';
import { Task } from '../task/task.js';

type Waiter = Task | OpenRequest;

/**
 * Warns of deadlocks during development: a task or request that waits for a task which cannot end
 * before it. Does nothing in production.
 */
export class WaitWatch {
  private readonly isOn = process.env['NODE_ENV'] !== 'production';
  /** Which tasks and requests wait for a task. */
  private readonly waiters = new WeakMap<Task, Set<Waiter>>();
  /** Running tasks that wait for a task of their own queue, which needs a slot as well. */
  private inOwnQueue: { readonly waiter: Task; readonly awaited: Task }[] = [];
  private readonly warned = new Set<string>();

  constructor(
    private readonly slotsOf: (queue: string) => number,
    private readonly warn: (waiter: string, awaited: string) => void,
  ) {}

  /** `here` waits for `task`. */
  asked(task: Task, here: Waiter | undefined): void {
    if (!this.isOn || here === undefined || task.isOver) {
      return;
    }
    const waiters = this.waiters.get(task) ?? new Set();
    this.waiters.set(task, waiters.add(here));
    if (here instanceof Task && here.queue === task.queue) {
      this.inOwnQueue = this.inOwnQueue.filter(
        ({ waiter, awaited }) => !waiter.isOver && !awaited.isOver,
      );
      this.inOwnQueue.push({ waiter: here, awaited: task });
    }
    const heldUp = this.heldUpBy(here);
    if (heldUp.has(task) || this.lacksSlot(task, heldUp)) {
      this.tell(here, `task ${task.name}`);
    }
  }

  /** `here` waits for all tasks. */
  askedForAll(here: Waiter | undefined): void {
    const awaited = here instanceof Task ? here : here?.waiting[0];
    if (this.isOn && here !== undefined && awaited !== undefined) {
      this.tell(here, here === awaited ? 'all tasks, itself included' : `task ${awaited.name}`);
    }
  }

  /** All tasks and requests that cannot end before `here`, itself included. */
  private heldUpBy(here: Waiter): ReadonlySet<Waiter> {
    const found = new Set<Waiter>([here]);
    // A Set's iteration visits what is added meanwhile.
    for (const each of found) {
      const next =
        each instanceof Task
          ? [...(this.waiters.get(each) ?? []), each.successor]
          : each.waiting.filter(({ status }) => status === 'collected');
      next.forEach((waiter) => waiter && !isOver(waiter) && found.add(waiter));
    }
    return found;
  }

  /**
   * Whether the task waits for a slot while all slots of its queue are held by tasks that wait like
   * this.
   */
  private lacksSlot({ queue, status }: Task, heldUp: ReadonlySet<Waiter>): boolean {
    const holders = [...heldUp, ...this.inOwnQueue.map(({ waiter }) => waiter)].filter(
      (each) => each instanceof Task && each.queue === queue && each.status === 'running',
    );
    return status === 'queued' && new Set(holders).size >= this.slotsOf(queue);
  }

  private tell(here: Waiter, awaited: string): void {
    const waiter = here instanceof Task ? `Task ${here.name}` : here.title;
    const sentence = `${waiter} → ${awaited}`;
    if (!this.warned.has(sentence)) {
      this.warned.add(sentence);
      this.warn(waiter, awaited);
    }
  }
}

function isOver(waiter: Waiter): boolean {
  return waiter instanceof Task && waiter.isOver;
}
