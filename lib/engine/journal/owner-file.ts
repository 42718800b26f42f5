import { linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OwnerEntry } from './journal-lock.js';

const NAME = /^owner-(\d+)$/;

/**
 * The entry of the lock, as a file with a number that grows. The system makes a link that must not be
 * there for one process only, and with its content: so of several that replace the same entry one
 * succeeds, and nobody sees it half done.
 */
export class OwnerFile implements OwnerEntry {
  constructor(private readonly folder: string) {}

  read(): string | undefined {
    const number = this.numbers().at(-1);
    return number === undefined ? undefined : this.ownerOf(number);
  }

  replace(expected: string | undefined, owner: string): boolean {
    const before = this.numbers().at(-1) ?? 0;
    if (this.ownerOf(before) !== expected) {
      return false;
    }
    const number = before + 1;
    if (!this.make(number, owner)) {
      return false;
    }
    const all = this.numbers();
    if (all.at(-1) !== number) {
      // Others have been here since, twice: this number was free again.
      rmSync(this.pathOf(number), { force: true });
      return false;
    }
    for (const old of all.slice(0, -1)) {
      rmSync(this.pathOf(old), { force: true });
    }
    return true;
  }

  /** @returns whether it was not there */
  private make(number: number, owner: string): boolean {
    const draft = join(this.folder, `${owner}.tmp`);
    writeFileSync(draft, owner);
    try {
      linkSync(draft, this.pathOf(number));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
        return false;
      }
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }

  private ownerOf(number: number): string | undefined {
    try {
      return readFileSync(this.pathOf(number), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        return undefined;
      }
      throw error;
    }
  }

  private numbers(): number[] {
    return readdirSync(this.folder)
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => a - b);
  }

  private pathOf(number: number): string {
    return join(this.folder, `owner-${number}`);
  }
}
