import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { Reports } from '../../../lib/engine/bullmq/consumer/held-jobs.js';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import { MAX_LINES } from '../../../lib/task/log-lines.js';
import type { Task } from '../../../lib/task/task.js';

/** A store that takes its time for each write, until it is told to go on. */
function slowStore() {
  const written: string[] = [];
  let underWay = 0;
  let most = 0;
  const write = async (what: string): Promise<void> => {
    underWay += 1;
    most = Math.max(most, underWay);
    await turnOfTheLoop();
    underWay -= 1;
    written.push(what);
  };
  const backend = {
    updateProgress: (_id: string, { json }: { json: string }) => write(json),
    addLog: (_id: string, line: string) => write(line),
  };
  const store = { queue: () => ({ backend }) } as unknown as JobStore;
  return {
    store,
    written,
    most: () => most,
  };
}

const reporting = (progress?: unknown) => ({ id: 'id', queue: 'queue', progress }) as Task;

async function untilWritten(reports: Reports): Promise<void> {
  while (reports['unsaid'].size > 0) {
    await turnOfTheLoop();
  }
}

describe('progress and log lines of a body, in a store', () => {
  it('D10: are one write at a time, and the last progress wins', async () => {
    const { store, written, most } = slowStore();
    const reports = new Reports(store);
    for (let at = 1; at <= 20_000; at += 1) {
      reports.progressed(reporting(at));
      if (at === 10) {
        // What the body says meanwhile follows in one write.
        await turnOfTheLoop();
      }
    }
    await untilWritten(reports);
    expect(written).toEqual(['10', '20000']);
    expect(most()).toBe(1);
  });

  it('D10: are no more lines than are kept', async () => {
    const { store, written, most } = slowStore();
    const reports = new Reports(store);
    for (let line = 1; line <= 20_000; line += 1) {
      reports.logged(reporting(), `line ${line}`);
    }
    await untilWritten(reports);
    expect(written).toHaveLength(MAX_LINES);
    expect(written.at(-1)).toBe('line 20000');
    expect(most()).toBe(1);
  });

  it('P19: are lost if JSON cannot hold them, and do not fail the task', async () => {
    const { store, written } = slowStore();
    const reports = new Reports(store);
    expect(() => reports.progressed(reporting(1n))).not.toThrow();
    reports.progressed(reporting(2));
    await untilWritten(reports);
    expect(written).toEqual(['2']);
  });
});
