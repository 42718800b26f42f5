import type { Duration } from '../../task/duration.js';
import type { Serializer } from '../../task/stored-call.js';
import type { EngineFactory } from '../engine.js';
import { JournalEngine } from './journal.engine.js';
import { resolveJournalOptions } from './journal-options.js';

/** The options of {@link journal}. */
export interface JournalOptions {
  /** The folder of the journal. It is created if necessary. Only one process at a time can use it. */
  path: string;
  /** The number of crashes during its attempts after which a task counts as failed. @default 3 */
  maxStarts?: number | undefined;
  /** How long a request waits for its tasks to be on disk before it fails with 503. @default '2s' */
  commitTimeout?: Duration | undefined;
  /** The maximum size of a call's serialised arguments, in bytes. @default 1_048_576 */
  maxArgsBytes?: number | undefined;
  /** Converts arguments to text and back. @default JSON; values that it cannot hold are refused */
  serializer?: Serializer | undefined;
}

/**
 * An engine whose tasks survive a crash of the process or the machine, without any service. The
 * tasks of a request are on disk before its response leaves. Tasks that have not settled come back
 * at the next start. Delivery is at least once. Needs the package `lmdb`.
 *
 * @param options the path of the journal, and its limits
 * @throws UnknownOptionError, InvalidOptionError
 */
export function journal(options: JournalOptions): EngineFactory {
  const settings = resolveJournalOptions(options);
  return { engine: 'journal', create: (setting) => new JournalEngine(setting, settings) };
}
