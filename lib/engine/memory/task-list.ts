import type { Place, Task } from '../../task/task.js';

/** So many tasks share one allocation. */
const CHUNK_SIZE = 1_024;

interface Chunk {
  readonly tasks: (Task | undefined)[];
  next: Chunk | undefined;
}

/**
 * First in, first out, in constant time whatever is in it; what is taken frees its memory chunk by
 * chunk. Removing from the middle only marks: a task whose place is no longer this list is passed
 * over when its turn comes. A task that was removed must not be pushed to the same list again.
 */
export class TaskList implements Place {
  private head: Chunk = emptyChunk();
  private tail: Chunk = this.head;
  /** The place of the next task to take within the first chunk. */
  private index = 0;
  private size = 0;

  get isEmpty(): boolean {
    return this.size === 0;
  }

  get first(): Task | undefined {
    this.skipRemoved();
    return this.head.tasks[this.index];
  }

  push(task: Task): void {
    task.place = this;
    this.size += 1;
    if (this.tail.tasks.length === CHUNK_SIZE) {
      this.tail.next = emptyChunk();
      this.tail = this.tail.next;
    }
    this.tail.tasks.push(task);
  }

  shift(): Task | undefined {
    const task = this.first;
    if (task !== undefined) {
      this.head.tasks[this.index] = undefined;
      this.index += 1;
      this.remove(task);
    }
    return task;
  }

  remove(task: Task): void {
    task.place = undefined;
    this.size -= 1;
    if (this.size === 0) {
      this.head = emptyChunk();
      this.tail = this.head;
      this.index = 0;
    }
  }

  *[Symbol.iterator](): Generator<Task> {
    for (let chunk: Chunk | undefined = this.head; chunk !== undefined; chunk = chunk.next) {
      for (const task of chunk.tasks) {
        if (task?.place === this) {
          yield task;
        }
      }
    }
  }

  private skipRemoved(): void {
    while (this.size > 0) {
      if (this.index === this.head.tasks.length && this.head.next !== undefined) {
        this.head = this.head.next;
        this.index = 0;
      }
      if (this.head.tasks[this.index]?.place === this) {
        return;
      }
      this.head.tasks[this.index] = undefined;
      this.index += 1;
    }
  }
}

function emptyChunk(): Chunk {
  return { tasks: [], next: undefined };
}
