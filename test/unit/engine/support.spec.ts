import { describe, expect, it } from '@jest/globals';
import { unsupportedOption } from '../../../lib/engine/engine.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import type { BackgroundOptions } from '../../../lib/task/task-options.js';

const ALL = {
  engine: 'x',
  storage: undefined,
  batch: true,
  concurrencyKey: true,
  dedupeWindow: true,
  dedupeAgain: true,
};
const NONE = {
  ...ALL,
  batch: false,
  concurrencyKey: false,
  dedupeWindow: false,
  dedupeAgain: false,
};

const settingsOf = (options: BackgroundOptions) =>
  new ResolvedOptions({}).forTask(undefined, options);

describe('what an engine cannot do', () => {
  it.each<[BackgroundOptions, string | undefined]>([
    [{ batch: { size: 2, wait: 5 } }, 'batch'],
    [{ concurrencyKey: 'key' }, 'concurrencyKey'],
    [{ dedupe: { key: 'key', window: '1s' } }, 'dedupe.window'],
    [{ dedupe: { key: 'key', again: true } }, 'dedupe.again'],
    [{ dedupe: { key: 'key' } }, undefined],
    [{ retry: { attempts: 3 }, delay: 5, timeout: 5 }, undefined],
    [{}, undefined],
  ])('of %j is %p', (options, option) => {
    expect(unsupportedOption(NONE, settingsOf(options))).toBe(option);
    expect(unsupportedOption(ALL, settingsOf(options))).toBeUndefined();
  });
});
