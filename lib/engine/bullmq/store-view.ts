import { MAX_LINES } from '../../task/log-lines.js';
import type { Task } from '../../task/task.js';
import type { SharedStore, Worker } from '../engine.js';
import type { Cancellation } from './cancellation.js';
import type { Consumers } from './consumer/consumers.js';
import { storable } from './codec/job-signals.js';
import type { JobStore } from './store/job-store.js';
import type { MemoryFallback } from './memory-fallback.js';
import type { OwnHandles } from './view/own-handles.js';
import type { StoredTasks } from './view/stored-tasks.js';

/** What the view needs. */
export interface StoreViewHost {
  readonly store: JobStore;
  readonly stored: StoredTasks;
  readonly consumers: Consumers;
  readonly cancellation: Cancellation;
  readonly handles: OwnHandles;
  readonly fallback: MemoryFallback | undefined;
  readonly worker: Worker;
}

/** What there is to know and to do about the tasks of all processes. */
export function storeView(host: StoreViewHost): SharedStore {
  const { store, stored, consumers, cancellation, handles, fallback, worker } = host;
  return {
    find: (id) => stored.find(id),
    list: (query) => stored.list(query),
    counts: (queue) => stored.counts(queue),
    cancel: (id) => cancellation.cancel(id),
    forget: (id) => stored.forget(id),
    async retry(id) {
      const task = await stored.retry(id);
      if (task !== undefined) {
        worker.leave(task);
        handles.add(task);
      }
      return task;
    },
    states: () => stored.states((queue) => consumers.isPaused(queue)),
    watch(task) {
      if (!fallback?.has(task)) {
        handles.watch(task);
      }
    },
    // For those who look from another process; lost where the store does not take it at once.
    progressed({ id, queue, progress }: Task) {
      const json = JSON.stringify(progress);
      store
        .queue(queue)
        .backend.updateProgress(id, { json })
        .catch(() => undefined);
    },
    logged({ id, queue }: Task, line: string) {
      store
        .queue(queue)
        .backend.addLog(id, storable(line), MAX_LINES)
        .catch(() => undefined);
    },
  };
}
