import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import type { LoggerService } from '@nestjs/common';
import { printable } from '../../errors/printable.js';
import { loadPiscina } from './load-piscina.js';
import { isSendable, putTogether } from './sent-error.js';
import type { ThreadCall, ThreadReply } from './thread-call.js';
import {
  ThreadArgumentError,
  ThreadExitedError,
  ThreadFunctionError,
  ThreadOutOfMemoryError,
  ThreadPoolClosedError,
  ThreadQueueFullError,
  ThreadResultError,
} from './thread.errors.js';
import type { ThreadPoolSettings } from './thread-options.js';
import { transferListOf } from './transfer.js';

const piscina = loadPiscina();

/** The same extension as this file's: `.ts` among the sources, `.js` in the built package. */
const THREAD_FILE = fileURLToPath(
  new URL(`./thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
);

/** One call of a thread function, to its thread and back. */
interface Journey {
  readonly functionName: string;
  readonly call: ThreadCall;
  /** Aborted by the task's signal, by the end of the pool, or if no thread can start. */
  readonly controller: AbortController;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The threads of one application. Calls queue here, not in piscina: a call is passed on only when a
 * thread is free or can be started. piscina starts no thread for queued calls after an abort, an
 * exit or a lack of memory has ended the last one: they would wait for ever.
 */
export class ThreadPool {
  private readonly waiting = new Set<Journey>();
  private readonly running = new Set<Journey>();
  private threads: Piscina | undefined;
  private lastFailure: Error | undefined;
  private isClosed = false;

  constructor(
    private readonly settings: ThreadPoolSettings,
    private readonly logger: LoggerService,
  ) {}

  get size(): number {
    return this.threads?.threads.length ?? 0;
  }

  /**
   * @param signal ends the thread when it aborts; the promise rejects with its reason
   * @throws (rejects) what the function throws, or a BackgroundTasksError if it cannot run
   */
  async run(functionName: string, call: ThreadCall, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted();
    if (this.isClosed) {
      throw new ThreadPoolClosedError(functionName);
    }
    const { threads, maxQueue } = this.settings;
    if (this.running.size >= threads && this.waiting.size >= maxQueue) {
      throw new ThreadQueueFullError(functionName, maxQueue);
    }
    const controller = new AbortController();
    const abort = (): void => controller.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        const journey: Journey = { functionName, call, controller, resolve, reject };
        controller.signal.addEventListener('abort', () => {
          this.waiting.delete(journey);
          reject(controller.signal.reason);
        });
        this.waiting.add(journey);
        this.dispatch();
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends all threads at once. Waiting and running calls fail with a ThreadPoolClosedError. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const { functionName, controller } of [...this.waiting, ...this.running]) {
      controller.abort(new ThreadPoolClosedError(functionName));
    }
    await this.threads?.destroy();
  }

  private dispatch(): void {
    for (const journey of this.waiting) {
      if (this.running.size >= this.settings.threads || this.isClosed) {
        return;
      }
      this.waiting.delete(journey);
      this.running.add(journey);
      void this.travel(journey);
    }
  }

  /** Never rejects: the result goes to the journey. */
  private async travel(journey: Journey): Promise<void> {
    const { call, controller, reject } = journey;
    try {
      this.threads ??= this.start();
      const reply = (await this.threads.run(call, {
        name: 'callInThread',
        signal: controller.signal,
        transferList: transferListOf(call.args),
      })) as ThreadReply;
      settle(journey, reply);
    } catch (error) {
      // No effect after an abort: the journey has been rejected already.
      reject(explain(error as Error & { readonly code?: unknown }, journey));
    } finally {
      this.running.delete(journey);
      this.dispatch();
    }
  }

  private start(): Piscina {
    const { threads, idleTimeoutMs, resourceLimits, execArgv } = this.settings;
    const pool = new piscina.Piscina({
      filename: THREAD_FILE,
      name: 'callInThread',
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: idleTimeoutMs,
      // Otherwise the thread blocks between calls, and timers left by the last call stand still.
      atomics: 'disabled',
      recordTiming: false,
      ...(resourceLimits && { resourceLimits }),
      ...(execArgv && { execArgv }),
    });
    // No caller waits for this thread.
    pool.on('error', (error: Error) => {
      this.lastFailure = error;
      this.logger.warn(`A thread failed outside of any call: ${printable(error.message)}`);
    });
    // Deferred until the calls of the ended thread have been rejected and the next have begun.
    pool.on('workerDestroy', () => setImmediate(() => this.rescue(pool)));
    return pool;
  }

  /** Rejects calls that no thread will ever take, because threads cannot start. */
  private rescue(pool: Piscina): void {
    if (pool.threads.length === 0) {
      for (const { functionName, controller } of this.running) {
        const cause = this.lastFailure;
        const how =
          cause === undefined ? 'it could not start.' : `it could not start: ${cause.message}`;
        controller.abort(new ThreadExitedError(functionName, how, { cause }));
      }
    }
  }
}

function settle({ functionName, call, resolve, reject }: Journey, reply: ThreadReply): void {
  switch (reply.kind) {
    case 'returned':
      return resolve(reply.value);
    case 'threw':
      return reject(putTogether(reply.error));
    case 'unsendable':
      return reject(new ThreadResultError(functionName, reply.problem));
    case 'missing': {
      const cause = reply.error && putTogether(reply.error);
      const why = cause instanceof Error ? `: ${cause.message}` : '.';
      const problem = `${call.href}: ${reply.problem}${why}${hintFor(call.href, cause)}`;
      return reject(new ThreadFunctionError(problem, { cause }));
    }
  }
}

const NOT_LOADED = new Set<unknown>([
  'ERR_MODULE_NOT_FOUND',
  'ERR_UNKNOWN_FILE_EXTENSION',
  // A compiling hook may load the file again while its first import fails.
  'ERR_REQUIRE_CYCLE_MODULE',
]);

/** A test runner compiles only what it loads itself, which a thread's files are not. */
function hintFor(href: string, cause: unknown): string {
  const source = new URL(href.replace(/\.([cm]?)js$/, '.$1ts'));
  const isSource = /\.[cm]?ts$/.test(source.pathname) && existsSync(source);
  return isSource && NOT_LOADED.has((cause as { code?: unknown } | undefined)?.code)
    ? `. There is ${basename(source.pathname)}, but threads do not compile TypeScript: see docs/threads.md#testing.`
    : '';
}

/** Errors of the pool only: the function's own error comes as a reply. */
function explain(
  error: Error & { readonly code?: unknown },
  { functionName, call }: Journey,
): Error {
  if (error.name === 'DataCloneError') {
    const index = call.args.findIndex((arg) => !isSendable(arg));
    return new ThreadArgumentError(functionName, index < 0 ? undefined : index, { cause: error });
  }
  if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new ThreadOutOfMemoryError(functionName, { cause: error });
  }
  const code = /^worker exited with code: (-?\d+)$/.exec(error.message)?.[1];
  return code === undefined
    ? new ThreadExitedError(functionName, `uncaught ${String(error)}`, { cause: error })
    : new ThreadExitedError(functionName, `something called process.exit(${code}).`);
}
