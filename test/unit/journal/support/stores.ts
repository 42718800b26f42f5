import { JournalEngine } from '../../../../lib/engine/journal/journal.engine.js';
import { resolveJournalOptions } from '../../../../lib/engine/journal/journal-options.js';
import type { JournalOptions } from '../../../../lib/engine/journal/index.js';
import type { Group } from '../../../../lib/engine/journal/group.js';
import { JournalStore } from '../../../../lib/engine/journal/journal-store.js';
import type { BackgroundTasksOptions } from 'nestjs-background-tasks';

type Mood = 'well' | 'refuses' | 'refuses commits' | 'silent';

/** A store whose disk a test can break: it writes, refuses, or does not answer until it is well. */
export class FragileStore extends JournalStore {
  private current: Mood = 'well';
  private recovered: () => void = () => undefined;
  private tell: () => void = () => undefined;
  /** Resolves when it has told of something that nobody waits for and it could not write. */
  readonly hasFailed = new Promise<void>((resolve) => {
    this.tell = resolve;
  });

  set mood(mood: Mood) {
    this.current = mood;
    if (mood === 'well') {
      this.recovered();
    }
  }

  override async append(group: Group): Promise<void> {
    if (this.current === 'silent') {
      await new Promise<void>((resolve) => {
        this.recovered = resolve;
      });
    }
    if (this.current === 'refuses' || (this.current === 'refuses commits' && group.isAwaited)) {
      throw new Error('the disk is full');
    }
    return super.append(group);
  }

  override failed(error: Error): void {
    super.failed(error);
    this.tell();
  }
}

export function engineOn(
  store: JournalStore,
  options: JournalOptions,
): NonNullable<BackgroundTasksOptions['engine']> {
  const settings = resolveJournalOptions(options);
  return { engine: 'journal', create: (setting) => new JournalEngine(setting, settings, store) };
}
