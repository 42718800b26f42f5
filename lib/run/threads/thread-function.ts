import { describe } from '../../options/checks.js';
import { ambient } from '../../task/ambient.js';
import { currentTask } from '../current-task.js';
import { poolHere } from './open-pools.js';
import { ThreadFunctionError } from './thread.errors.js';

/**
 * The function that {@link threadFunction} returns for `F`: the same arguments, and a promise of
 * the same result.
 *
 * @typeParam F the function that runs in the thread
 */
export type ThreadFunction<F extends (...args: never[]) => unknown> = (
  ...args: Parameters<F>
) => Promise<Awaited<ReturnType<F>>>;

/**
 * Makes a function that runs in a worker thread, so that a long calculation keeps no request
 * waiting. Pass it to `addTask()` with its arguments, or call it inside a task or a handler.
 *
 * ```ts
 * import type { resize } from './resize.js';
 *
 * const resizeInThread = threadFunction<typeof resize>(new URL('./resize.js', import.meta.url), 'resize');
 * ```
 *
 * Arguments and result are copied (see `transfer()` for large buffers), so they are plain data.
 * When the task around the call times out, is cancelled or abandoned, the thread is ended in the
 * middle of what it does.
 *
 * Calling it fails with a NoThreadPoolError, ThreadQueueFullError, ThreadPoolClosedError,
 * ThreadFunctionError, ThreadArgumentError, ThreadResultError, ThreadExitedError or
 * ThreadOutOfMemoryError, or with what the function throws.
 *
 * @typeParam F the type of the function, imported as a type
 * @param file a `file:` URL; in CommonJS `new URL('./resize.js', pathToFileURL(__filename))`
 * @param exportName which of its exports it is; also what the task is called
 * @throws ThreadFunctionError where `file` is not such a URL
 */
export function threadFunction<F extends (...args: never[]) => unknown>(
  file: URL,
  exportName = 'default',
): ThreadFunction<F> {
  const href = hrefOf(file);
  const name = exportName === 'default' ? baseNameOf(href) : exportName;
  const run = async (...args: Parameters<F>): Promise<Awaited<ReturnType<F>>> => {
    const here = ambient.getStore();
    const signal = here?.kind === 'task' ? currentTask().signal : undefined;
    try {
      const result = await poolHere(name).run(name, { href, exportName, args }, signal);
      return result as Awaited<ReturnType<F>>;
    } catch (error) {
      if (here?.kind === 'request') {
        here.refused(error);
      }
      throw error;
    }
  };
  return Object.defineProperty(run, 'name', { value: name });
}

/** @throws ThreadFunctionError */
function hrefOf(file: unknown): string {
  // Not instanceof: a test runner's realm has its own URL class.
  const { href, protocol } = Object(file) as { href?: unknown; protocol?: unknown };
  if (typeof href === 'string' && protocol === 'file:') {
    return href;
  }
  const received = typeof href === 'string' ? href : describe(file);
  throw new ThreadFunctionError(
    `threadFunction() expects the URL of a file, got ${received}. Write new URL('./file.js', ` +
      "import.meta.url), in CommonJS new URL('./file.js', pathToFileURL(__filename)).",
  );
}

function baseNameOf(href: string): string {
  return /([^/]+?)(\.\w+)?$/.exec(href)?.[1] ?? 'default';
}
