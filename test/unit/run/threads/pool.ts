/// <reference lib="es2024.sharedmemory" />
import { afterEach } from '@jest/globals';
import { ThreadPool } from '../../../../lib/run/threads/thread-pool.js';
import {
  toThreadPoolSettings,
  type BackgroundTasksThreadsOptions,
} from '../../../../lib/run/threads/thread-options.js';
import { LogBook } from '../../../support/log-book.js';

/** The test runner compiles in its own way; a thread has to be told how. */
export const EXEC_ARGV = ['--import', '@oxc-node/core/register'];

const pools: ThreadPool[] = [];

export interface TestPool {
  readonly pool: ThreadPool;
  readonly log: LogBook;
  /** Calls a function of the fixtures. */
  call(exportName: string, ...args: unknown[]): Promise<unknown>;
  callWith(signal: AbortSignal, exportName: string, ...args: unknown[]): Promise<unknown>;
}

/** Closed after the test. */
export function poolOf(options: BackgroundTasksThreadsOptions = {}): TestPool {
  const log = new LogBook();
  const settings = toThreadPoolSettings({ threads: 1, execArgv: EXEC_ARGV, ...options });
  const pool = new ThreadPool(settings, log);
  pools.push(pool);
  const run = (exportName: string, args: unknown[], signal?: AbortSignal): Promise<unknown> =>
    pool.run(exportName, { href: fixture('work.mjs'), exportName, args }, signal);
  return {
    pool,
    log,
    call: (exportName, ...args) => run(exportName, args),
    callWith: (signal, exportName, ...args) => run(exportName, args, signal),
  };
}

export function fixture(name: string): string {
  return new URL(`./fixtures/${name}`, import.meta.url).href;
}

/** Opened by a test while threads wait for it in `waitFor()`. */
export class SharedGate {
  readonly buffer = new SharedArrayBuffer(8);
  private readonly view = new Int32Array(this.buffer);

  open(): void {
    Atomics.store(this.view, 0, 1);
    Atomics.notify(this.view, 0);
  }

  /** Resolves when as many threads have arrived. */
  async untilArrived(count: number): Promise<void> {
    await untilAtLeast(this.view, 1, count);
  }
}

/** Resolves when a thread has raised `view[index]` to `count`. */
export async function untilAtLeast(view: Int32Array, index: number, count: number): Promise<void> {
  for (;;) {
    const seen = Atomics.load(view, index);
    if (seen >= count) {
      return;
    }
    await Atomics.waitAsync(view, index, seen).value;
  }
}

/** Resolves when `view[index]` has stopped growing: whoever raised it is gone. */
export async function untilStill(view: Int32Array, index: number): Promise<void> {
  let seen: number;
  do {
    seen = Atomics.load(view, index);
    await new Promise((resolve) => setImmediate(resolve));
  } while (Atomics.load(view, index) !== seen);
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});
