import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { JournalRecord } from '../../../lib/engine/journal/journal-record.js';
import { JournalStore } from '../../../lib/engine/journal/journal-store.js';
import { PAGE_BYTES } from '../../../lib/engine/journal/segment-format.js';
import { crashImage, journalFiles, temporaryFolder } from './support/machine.js';

const SMALL = 8 * PAGE_BYTES;
const SECTOR_BYTES = 512;

function record(order: number, length = 10): JournalRecord {
  const call = { args: `["${'x'.repeat(length)}"]`, options: undefined, carried: undefined };
  return new JournalRecord(order, `id-${order}`, 'Jobs.note', 'default', call, 1, 'g', undefined);
}

async function opened(path: string, bytes = SMALL): Promise<JournalStore> {
  const store = new JournalStore(path, bytes);
  await store.open();
  return store;
}

function commit(store: JournalStore, ...records: JournalRecord[]): Promise<void> {
  return new Promise((resolve, reject) => {
    store.commit(records, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

async function ordersIn(path: string): Promise<number[]> {
  const store = await opened(path);
  const orders = store.takeOver().map(({ order }) => order);
  await store.close();
  return orders;
}

/** The same numbers each time: a failure can be looked at again. */
function* randomNumbers(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

describe('a write that a loss of power cut short', () => {
  it('takes nothing of what was acknowledged before with it, whatever of it is on disk', async () => {
    const path = await temporaryFolder();
    const store = await opened(path);
    await commit(store, record(1), record(2));
    await commit(store, record(3));
    const before = await crashImage(path);
    await commit(store, record(4, 9_000), record(5));
    const after = await crashImage(path);
    await store.close();

    const [file = ''] = await journalFiles(after);
    const old = await readFile(join(before, file));
    const written = await readFile(join(after, file));
    const random = randomNumbers(1);
    for (let round = 0; round < 40; round += 1) {
      const torn = Buffer.from(old);
      for (let at = 0; at < torn.length; at += SECTOR_BYTES) {
        if (random.next().value < 0.7) {
          written.copy(torn, at, at, at + SECTOR_BYTES);
        }
      }
      const image = await temporaryFolder();
      await writeFile(join(image, file), torn);
      const isWhole = torn.equals(written);
      const expected = isWhole ? [1, 2, 3, 4, 5] : [1, 2, 3];
      expect(await ordersIn(image)).toEqual(expected);
      // What was cut short stays where it is, and does not come in the way of what follows.
      const again = await opened(image);
      await commit(again, record(6));
      await again.close();
      expect(await ordersIn(image)).toEqual([...expected, 6]);
    }
  });
});

describe('the files of the journal', () => {
  it('are few, however much goes through them, and hold what has not settled', async () => {
    const path = await temporaryFolder();
    const store = await opened(path);
    const kept = record(1);
    await commit(store, kept);
    let most = 0;
    for (let order = 2; order < 400; order += 1) {
      const passing = record(order);
      await commit(store, passing);
      store.remove(passing);
      most = Math.max(most, (await journalFiles(path)).length);
    }
    // One is made ahead of its time; and one more until its removal is on disk.
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(8);
    await store.close();
    expect(await ordersIn(path)).toEqual([1]);
  });

  it('grow with what waits in them', async () => {
    const path = await temporaryFolder();
    const store = await opened(path);
    const records = Array.from({ length: 300 }, (_, index) => record(index + 1, 1_000));
    for (const each of records) {
      await commit(store, each);
    }
    await store.close();
    expect(await ordersIn(path)).toEqual(records.map(({ order }) => order));
  });

  it('take a call that is longer than one of them', async () => {
    const path = await temporaryFolder();
    const store = await opened(path);
    await commit(store, record(1));
    await commit(store, record(2, 10 * SMALL));
    await commit(store, record(3));
    await store.close();
    expect(await ordersIn(path)).toEqual([1, 2, 3]);
  });

  it('hold the latest of each task through restarts and crashes, at any moment', async () => {
    const random = randomNumbers(7);
    const pick = (count: number): number => Math.floor(random.next().value * count);
    let path = await temporaryFolder();
    let lastOrder = 0;
    const model = new Map<number, number>();
    for (let life = 0; life < 12; life += 1) {
      const store = await opened(path);
      const alive = [...store.takeOver()];
      expect(alive.map(({ order, starts }) => [order, starts])).toEqual(
        [...model].toSorted(([a], [b]) => a - b),
      );
      for (let turn = 0; turn < 40; turn += 1) {
        for (let change = pick(8); change > 0 && alive.length > 0; change -= 1) {
          const [chosen] = alive.splice(pick(alive.length), 1);
          if (chosen !== undefined && random.next().value < 0.7) {
            store.remove(chosen);
            model.delete(chosen.order);
          } else if (chosen !== undefined) {
            chosen.starts += 1;
            store.put(chosen);
            model.set(chosen.order, chosen.starts);
            alive.push(chosen);
          }
        }
        const added = Array.from({ length: pick(5) + 1 }, () =>
          record((lastOrder += 1), pick(800)),
        );
        await commit(store, ...added);
        added.forEach(({ order }) => model.set(order, 0));
        alive.push(...added);
      }
      if (life % 2 === 0) {
        await store.close();
      } else {
        const image = await crashImage(path);
        await store.close();
        path = image;
      }
    }
    expect(model.size).toBeGreaterThan(0);
  });
});
