import { ambient, type MethodIntake } from '../../task/ambient.js';
import { NoThreadPoolError } from './thread.errors.js';
import type { ThreadPool } from './thread-pool.js';

/**
 * A thread function is made when its file is loaded, before there is any application. It finds its
 * pool when it is called, by the task or request around the call.
 */
const byApplication = new WeakMap<MethodIntake, ThreadPool>();
/** For calls outside of both, at start-up or from a timer, if only one pool is open. */
const open = new Set<ThreadPool>();

/** @returns false if the application has an open pool already */
export function openPool(application: MethodIntake, pool: ThreadPool): boolean {
  const known = byApplication.get(application);
  if (known !== undefined && open.has(known)) {
    return false;
  }
  byApplication.set(application, pool);
  open.add(pool);
  return true;
}

/** Keeps the pool in `byApplication`: a task that outlives its application gets the pool's error. */
export function closePool(pool: ThreadPool): void {
  open.delete(pool);
}

/** @throws NoThreadPoolError */
export function poolHere(functionName: string): ThreadPool {
  const application = ambient.getStore()?.intake;
  if (application !== undefined) {
    const pool = byApplication.get(application);
    if (pool === undefined) {
      throw new NoThreadPoolError(
        functionName,
        'this application has none. Import BackgroundTasksThreadsModule.forRoot() in its root module.',
      );
    }
    return pool;
  }
  const [only, ...others] = open;
  if (only === undefined) {
    throw new NoThreadPoolError(
      functionName,
      'no application with BackgroundTasksThreadsModule is running. In a unit test call the function ' +
        'itself, imported from its file.',
    );
  }
  if (others.length > 0) {
    throw new NoThreadPoolError(
      functionName,
      'several applications are running. Call it in a task or a request of the one whose threads ' +
        'are meant.',
    );
  }
  return only;
}
