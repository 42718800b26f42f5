import { expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { TaskStats } from '../../../lib/observe/task-stats.js';
import type { Task } from '../../../lib/task/task.js';
import { bareTask } from '../support/tasks.js';

const STATUSES = ['completed', 'failed', 'cancelled', 'dropped', 'abandoned'] as const;

function begin(stats: TaskStats, task: Task): void {
  task.status = 'running';
  task.attempt = { reading: undefined, interrupt: () => undefined };
  stats.started(task);
}

/** Adds a task, runs it if it is to run, and settles it. */
function live(stats: TaskStats, name: string, status: (typeof STATUSES)[number], ms: number): Task {
  const task = bareTask(name);
  stats.added(task);
  const hasRun = status === 'completed' || status === 'failed';
  if (hasRun) {
    begin(stats, task);
  }
  stats.settled(task, status, hasRun ? ms : undefined);
  return task;
}

it('the statistics of tasks add up, and give percentiles within a percent', () => {
  const ends = fc.array(
    fc.record({
      name: fc.constantFrom('a', 'b', 'c', '__proto__'),
      status: fc.constantFrom(...STATUSES),
      ms: fc.double({ min: 0.5, max: 1e6, noNaN: true }),
    }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(ends, (list) => {
      const stats = new TaskStats();
      list.forEach(({ name, status, ms }) => live(stats, name, status, ms));
      const all = stats.ofQueue('default');
      for (const status of STATUSES) {
        const count = list.filter((each) => each.status === status).length;
        expect(all[status]).toBe(count);
        const ofNames = Object.values(stats.ofNames());
        expect(ofNames.reduce((sum, figures) => sum + figures[status], 0)).toBe(count);
      }
      expect([all.added, all.running, all.pending]).toEqual([list.length, 0, 0]);
      const times = list
        .flatMap(({ status, ms }) => (status === 'completed' || status === 'failed' ? [ms] : []))
        .toSorted((one, other) => one - other);
      expect(all.durations === undefined).toBe(times.length === 0);
      if (times.length === 0) {
        return;
      }
      const exact = (share: number) => times[Math.ceil((share / 100) * times.length) - 1];
      const expected = {
        p50: exact(50),
        p95: exact(95),
        p99: exact(99),
        max: times.at(-1) as number,
        mean: times.reduce((sum, ms) => sum + ms, 0) / times.length,
      };
      for (const [key, value] of Object.entries(expected)) {
        const measured = all.durations?.[key as keyof typeof expected] ?? Number.NaN;
        expect(Math.abs(measured - value) / value).toBeLessThanOrEqual(0.01);
      }
      expect(all.failureRate).toBe(all.failed / (all.failed + all.completed));
    }),
    { numRuns: 100 },
  );
});
