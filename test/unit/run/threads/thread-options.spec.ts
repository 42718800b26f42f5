import { availableParallelism } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { InvalidOptionError, UnknownOptionError } from '../../../../lib/index.js';
import {
  toThreadPoolSettings,
  type BackgroundTasksThreadsOptions,
} from '../../../../lib/run/threads/thread-options.js';

describe('the options of the threads', () => {
  it('have defaults', () => {
    expect(toThreadPoolSettings({})).toEqual({
      threads: Math.max(1, availableParallelism() - 1),
      idleTimeoutMs: 10_000,
      maxQueue: 1_000,
      resourceLimits: undefined,
      execArgv: undefined,
    });
  });

  it('are taken as they are given, durations in milliseconds', () => {
    const resourceLimits = { maxOldGenerationSizeMb: 64, stackSizeMb: 0.5 };
    const execArgv = ['--import', 'loader.mjs'];
    const given = { threads: 3, idleTimeout: '1m', maxQueue: 0, resourceLimits, execArgv } as const;
    expect(toThreadPoolSettings({ ...given, execArgv })).toEqual({
      threads: 3,
      idleTimeoutMs: 60_000,
      maxQueue: 0,
      resourceLimits,
      execArgv,
    });
    expect(toThreadPoolSettings({ idleTimeout: 0 }).idleTimeoutMs).toBe(0);
  });

  it.each<[object, string]>([
    [{ threads: 0 }, 'threads'],
    [{ threads: 1.5 }, 'threads'],
    [{ threads: Number.POSITIVE_INFINITY }, 'threads'],
    [{ maxQueue: -1 }, 'maxQueue'],
    [{ idleTimeout: 'soon' }, 'idleTimeout'],
    [{ resourceLimits: { stackSizeMb: 0 } }, 'resourceLimits.stackSizeMb'],
    [{ resourceLimits: { codeRangeSizeMb: '8' } }, 'resourceLimits.codeRangeSizeMb'],
    [{ execArgv: '--import' }, 'execArgv'],
    [{ execArgv: ['--import', 1] }, 'execArgv'],
  ])('%j are refused at %s', (options, path) => {
    const attempt = () => toThreadPoolSettings(options);
    expect(attempt).toThrow(InvalidOptionError);
    expect(attempt).toThrow(`Option "BackgroundTasksThreadsModule.${path}"`);
  });

  it.each<[object, string]>([
    [{ threads: Number.POSITIVE_INFINITY }, 'expected a number that ends'],
    [{ resourceLimits: { stackSizeMb: 0 } }, 'expected a number above 0, got 0'],
    [{ execArgv: '--import' }, "expected an array of strings, got '--import'"],
  ])('%j are refused with the reason', (options, reason) => {
    expect(() => toThreadPoolSettings(options)).toThrow(reason);
  });

  it.each<[object, string]>([
    [
      { thread: 1 },
      'Unknown option "BackgroundTasksThreadsModule.thread". Did you mean "threads"?',
    ],
    [
      { resourceLimits: { stackSize: 1 } },
      'Unknown option "BackgroundTasksThreadsModule.resourceLimits.stackSize". Did you mean "stackSizeMb"?',
    ],
  ])('%j are refused, because there are none such', (options, message) => {
    const attempt = () => toThreadPoolSettings(options);
    expect(attempt).toThrow(UnknownOptionError);
    expect(attempt).toThrow(message);
  });

  it('are said to be those of the threads where they are none', () => {
    expect(() => toThreadPoolSettings(4 as BackgroundTasksThreadsOptions)).toThrow(
      'Option "BackgroundTasksThreadsModule": expected a plain object, got 4.',
    );
  });
});
