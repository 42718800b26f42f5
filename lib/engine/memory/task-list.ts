import { LinkedList } from '../../task/linked-list.js';
import type { Place, Task } from '../../task/task.js';

/** A FIFO list of waiting tasks; any of them can be removed in O(1). */
export class TaskList extends LinkedList<Task> implements Place {
  get isEmpty(): boolean {
    return this.first === undefined;
  }

  push(task: Task): void {
    task.place = this;
    this.add(task);
  }

  shift(): Task | undefined {
    const { first } = this;
    if (first !== undefined) {
      this.remove(first);
    }
    return first;
  }

  remove(task: Task): void {
    task.place = undefined;
    this.delete(task);
  }
}
