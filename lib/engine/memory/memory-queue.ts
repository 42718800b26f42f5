import type { Task } from '../../task/task.js';
import type { Slice } from './slice.js';
import { TaskList } from './task-list.js';

/** One queue: what waits in it, and how much of it runs. */
export class MemoryQueue {
  private readonly waiting = new TaskList();
  private readonly running = new Set<Task>();

  constructor(
    private readonly concurrency: number,
    private readonly slice: Slice,
    /** Runs the task; must call {@link free} when its slot is free again. */
    private readonly attempt: (task: Task, queue: MemoryQueue) => void,
  ) {}

  get isIdle(): boolean {
    return this.waiting.isEmpty && this.running.size === 0;
  }

  add(task: Task): void {
    task.status = 'queued';
    this.waiting.push(task);
    this.slice.request(this);
  }

  free(task: Task): void {
    this.running.delete(task);
    this.pump();
  }

  /** Starts what may start, as long as the slice lasts; the rest goes on in a later one. */
  pump(): void {
    while (this.running.size < this.concurrency && !this.waiting.isEmpty) {
      if (!this.slice.hasTime()) {
        return this.slice.request(this);
      }
      const task = this.waiting.shift();
      if (task !== undefined) {
        task.status = 'running';
        this.running.add(task);
        this.attempt(task, this);
      }
    }
  }

  /** Takes out what waits. */
  clear(): Task[] {
    const tasks: Task[] = [];
    for (let task = this.waiting.shift(); task !== undefined; task = this.waiting.shift()) {
      tasks.push(task);
    }
    return tasks;
  }

  interrupt(): void {
    for (const task of this.running) {
      task.interrupt?.('abandoned');
    }
  }
}
