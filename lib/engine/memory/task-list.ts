import type { Place, Task } from '../../task/task.js';

/**
 * First in, first out. The links are the tasks' own, so that adding, taking and removing from the
 * middle cost the same whatever is in it, and an empty list holds nothing.
 */
export class TaskList implements Place {
  private head: Task | undefined = undefined;
  private tail: Task | undefined = undefined;

  get isEmpty(): boolean {
    return this.head === undefined;
  }

  get first(): Task | undefined {
    return this.head;
  }

  push(task: Task): void {
    task.place = this;
    task.previous = this.tail;
    if (this.tail === undefined) {
      this.head = task;
    } else {
      this.tail.next = task;
    }
    this.tail = task;
  }

  shift(): Task | undefined {
    const { head } = this;
    if (head !== undefined) {
      this.remove(head);
    }
    return head;
  }

  remove(task: Task): void {
    if (task.previous === undefined) {
      this.head = task.next;
    } else {
      task.previous.next = task.next;
    }
    if (task.next === undefined) {
      this.tail = task.previous;
    } else {
      task.next.previous = task.previous;
    }
    task.previous = undefined;
    task.next = undefined;
    task.place = undefined;
  }

  *[Symbol.iterator](): Generator<Task> {
    for (let task = this.head; task !== undefined; task = task.next) {
      yield task;
    }
  }
}
