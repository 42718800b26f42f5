import {
  checkCount,
  checkPositiveDuration,
  checkSerializer,
  checkShape,
  checkString,
  requireKeys,
  type Shape,
} from '../../options/checks.js';
import { milliseconds } from '../../task/duration.js';
import type { TaskStorage } from '../../task/stored-call.js';
import type { JournalOptions } from './journal.js';

const DEFAULTS = { maxStarts: 3, commitTimeout: '2s', maxArgsBytes: 1_048_576 } as const;

const JOURNAL_SHAPE: Shape<JournalOptions> = {
  path: checkString,
  maxStarts: checkCount,
  commitTimeout: checkPositiveDuration,
  maxArgsBytes: checkCount,
  serializer: checkSerializer,
};

/** {@link JournalOptions} with defaults. */
export interface JournalSettings {
  readonly path: string;
  readonly maxStarts: number;
  readonly commitTimeoutMs: number;
  readonly storage: TaskStorage;
}

/** @throws UnknownOptionError, InvalidOptionError */
export function resolveJournalOptions(options: JournalOptions): JournalSettings {
  checkShape<JournalOptions>(options, 'journal', JOURNAL_SHAPE);
  requireKeys(options, 'journal', 'path');
  const { path, serializer } = options;
  return {
    path,
    maxStarts: options.maxStarts ?? DEFAULTS.maxStarts,
    commitTimeoutMs: milliseconds(options.commitTimeout ?? DEFAULTS.commitTimeout),
    storage: { serializer, maxArgsBytes: options.maxArgsBytes ?? DEFAULTS.maxArgsBytes },
  };
}
