import type { TaskListener } from '../../task/task.js';
import { LEFT } from '../../task/verdict.js';
import type { SharedStore, Worker } from '../engine.js';
import type { Cancellation } from './cancellation.js';
import type { JobStore } from './store/job-store.js';
import { Reports } from './view/reports.js';
import type { OwnHandles } from './view/own-handles.js';
import type { StoredTasks } from './view/stored-tasks.js';

/** What the view needs. */
export interface StoreViewHost {
  readonly store: JobStore;
  readonly stored: StoredTasks;
  readonly cancellation: Cancellation;
  readonly handles: OwnHandles;
  readonly worker: Worker;
}

/** What there is to know and to do about the tasks of all processes. */
export function storeView(host: StoreViewHost): SharedStore {
  const { stored, cancellation, handles, worker } = host;
  return {
    find: (id) => stored.find(id),
    list: (query) => stored.list(query),
    counts: (queue) => stored.counts(queue),
    cancel: (id) => cancellation.cancel(id),
    forget: (id) => stored.forget(id),
    async retry(id) {
      const task = await stored.retry(id);
      if (task !== undefined) {
        worker.announce(task, LEFT);
        handles.add(task);
      }
      return task;
    },
  };
}

/** For those who look from another process. */
export function listenerOf({
  store,
  handles,
}: Pick<StoreViewHost, 'store' | 'handles'>): TaskListener {
  const reports = new Reports(store);
  return {
    awaited: (task) => handles.watch(task),
    progressed: (task) => reports.progressed(task),
    logged: (task, line) => reports.logged(task, line),
  };
}
