import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import type { FuzzReport } from './fuzz.main.js';

const here = dirname(fileURLToPath(import.meta.url));

/** In a process of its own: in jest's, nobody would see what reaches the process. */
async function fuzz(runs: number, tasksPerRun: number): Promise<FuzzReport> {
  const script = join(here, 'fuzz.main.ts');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', '@oxc-node/core/register', script, `${runs}`, `${tasksPerRun}`],
    { cwd: join(here, '..', '..', '..'), timeout: 100_000 },
  );
  return JSON.parse(stdout) as FuzzReport;
}

describe('P11: nothing reaches the process, and every task settles once', () => {
  it('of 10,000 tasks that throw, reject, hang, resolve twice and add tasks', async () => {
    const { failure, escaped, tasks, settled, attempts } = await fuzz(100, 100);
    expect({ failure, escaped }).toEqual({ failure: undefined, escaped: [] });
    expect(tasks).toBeGreaterThanOrEqual(10_000);
    expect(Object.keys(settled).toSorted()).toEqual(['completed', 'dropped', 'failed']);
    expect(sumOf(settled)).toBe(tasks);
    expect(attempts).toBeGreaterThan(tasks - (settled['dropped'] ?? 0));
  });
});

function sumOf(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
