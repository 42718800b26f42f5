import { JournalEngine } from '../../../../lib/engine/journal/journal.engine.js';
import { resolveJournalOptions } from '../../../../lib/engine/journal/journal-options.js';
import type { JournalOptions } from '../../../../lib/engine/journal/index.js';
import type { JournalRecord } from '../../../../lib/engine/journal/journal-record.js';
import { JournalStore } from '../../../../lib/engine/journal/journal-store.js';
import type { BackgroundTasksOptions } from 'nestjs-background-tasks';

/** A store that a test can break: it answers, refuses, or does not answer at all. */
export class FragileStore extends JournalStore {
  mood: 'well' | 'refuses' | 'refuses commits' | 'silent' = 'well';
  /** What it was asked for, whatever came of it. */
  readonly asked: string[] = [];

  override writeThrough(records: readonly JournalRecord[]): Promise<void> {
    return this.answer('commit', () => super.writeThrough(records));
  }

  override write(record: JournalRecord): Promise<void> {
    return this.answer('write', () => super.write(record));
  }

  override remove(record: JournalRecord): Promise<void> {
    return this.answer('remove', () => super.remove(record));
  }

  private answer(what: string, act: () => Promise<void>): Promise<void> {
    this.asked.push(what);
    switch (this.mood) {
      case 'well':
        return act();
      case 'refuses commits':
        return what === 'commit' ? Promise.reject(new Error('the disk is full')) : act();
      case 'refuses':
        return Promise.reject(new Error('the disk is full'));
      case 'silent':
        return new Promise(() => undefined);
    }
  }
}

export function engineOn(
  store: JournalStore,
  options: JournalOptions,
): NonNullable<BackgroundTasksOptions['engine']> {
  const settings = resolveJournalOptions(options);
  return { engine: 'journal', create: (setting) => new JournalEngine(setting, settings, store) };
}
