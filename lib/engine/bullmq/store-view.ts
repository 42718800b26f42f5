import type { SharedStore, Worker } from '../engine.js';
import type { Cancellation } from './cancellation.js';
import type { Consumers } from './consumer/consumers.js';
import type { JobStore } from './store/job-store.js';
import { Reports } from './view/reports.js';
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
  const reports = new Reports(store);
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
    progressed: (task) => reports.progressed(task),
    logged: (task, line) => reports.logged(task, line),
  };
}
