import { describe, expect, it } from '@jest/globals';
import { currentTask, type TaskRunner } from 'nestjs-background-tasks';
import { TaskQueueAdapter } from 'nestjs-background-tasks/board';
import { createKit } from '../support/kit.js';

function adapterOf(kit: ReturnType<typeof createKit>): TaskQueueAdapter {
  return new TaskQueueAdapter('emails', kit.runner, ({ args }) => args, false);
}

const kitWithEmails = () => createKit({ queues: { emails: { concurrency: 1 } } });

describe('a queue on the board', () => {
  it('shows its own tasks only', async () => {
    const kit = kitWithEmails();
    const adapter = adapterOf(kit);
    const { id } = kit.runner.addTask({ queue: 'emails', delay: '1h' }, () => undefined);
    const other = kit.runner.addTask({ delay: '1h' }, () => undefined);
    expect(await adapter.getJobs(['delayed'])).toHaveLength(1);
    expect(await adapter.getJob(id)).toBeDefined();
    expect(await adapter.getJob(other.id)).toBeUndefined();
    expect(await adapter.getJobLogs(other.id)).toEqual([]);
    expect(await adapter.getJobCounts()).toMatchObject({ delayed: 1, active: 0 });
  });

  it.each(['meta', '../meta', 'emails:meta', '', '%2e%2e', '__proto__'])(
    'O21: looks for no task with the id %j',
    async (id) => {
      const asked: string[] = [];
      const runner = { get: (each: string) => asked.push(each) } as unknown as TaskRunner;
      const adapter = new TaskQueueAdapter('emails', runner, () => undefined, false);
      expect(await adapter.getJob(id)).toBeUndefined();
      expect(await adapter.getJobLogs(id)).toEqual([]);
      expect(asked).toEqual([]);
    },
  );

  it('O11: shows a line of a log as one line, with every character of it', async () => {
    const kit = kitWithEmails();
    const { id } = kit.runner.addTask({ queue: 'emails' }, () => currentTask().log('a\n\u001b[2J'));
    await kit.clock.settle();
    expect(await adapterOf(kit).getJobLogs(id)).toEqual([
      expect.stringMatching(/Z a\\n\\x1b\[2J$/),
    ]);
  });

  it('shows a page of each status', async () => {
    const kit = kitWithEmails();
    for (const name of ['a', 'b', 'c']) {
      kit.runner.addTask({ queue: 'emails', delay: '1h', name }, () => undefined);
      kit.runner.addTask({ queue: 'emails', name }, () => Promise.reject(new Error(name)));
    }
    await kit.clock.settle();
    const adapter = adapterOf(kit);
    expect(await adapter.getJobs(['failed', 'delayed'], 0, 1)).toHaveLength(4);
    expect(await adapter.getJobs(['failed', 'delayed'], 2, 3)).toHaveLength(2);
    expect(await adapter.getJobs(['failed', 'delayed'])).toHaveLength(6);
  });

  it('is paused and resumed', async () => {
    const adapter = adapterOf(kitWithEmails());
    await adapter.pause();
    expect(await adapter.isPaused()).toBe(true);
    await adapter.resume();
    expect(await adapter.isPaused()).toBe(false);
  });

  it('forgets what has settled, and cancels what waits', async () => {
    const kit = kitWithEmails();
    const adapter = adapterOf(kit);
    kit.runner.addTask({ queue: 'emails' }, () => Promise.reject(new Error('no')));
    await kit.clock.settle();
    await adapter.pause();
    const waiting = kit.runner.addTask({ queue: 'emails' }, () => undefined);
    const delayed = kit.runner.addTask({ queue: 'emails', delay: '1h' }, () => undefined);

    await adapter.clean('failed');
    expect(await adapter.getJobCounts()).toMatchObject({ failed: 0, waiting: 1 });
    await adapter.empty();
    expect([waiting.status, delayed.status]).toEqual(['cancelled', 'delayed']);
    await adapter.obliterate();
    expect(delayed.status).toBe('cancelled');
    expect(await kit.runner.list({ queue: 'emails', status: 'completed' })).toEqual([]);
  });

  it('cleans what waits by cancelling it', async () => {
    const kit = kitWithEmails();
    await kit.runner.pause('emails');
    const waiting = kit.runner.addTask({ queue: 'emails' }, () => undefined);
    await adapterOf(kit).clean('wait');
    expect(waiting.status).toBe('cancelled');
  });

  it('has no schedules, no metrics and no Redis', async () => {
    const adapter = adapterOf(kitWithEmails());
    expect(adapter.getName()).toBe('emails');
    expect(adapter.getStatuses()).toEqual(['latest', ...adapter.getJobStatuses()]);
    expect(await adapter.getJobSchedulers()).toEqual([]);
    expect(await adapter.getJobSchedulersCount()).toBe(0);
    expect(await adapter.getMetrics()).toMatchObject({ count: 0 });
    expect(await adapter.getRedisInfo()).toBeNull();
    expect(await adapter.getGlobalConcurrency()).toBeNull();
  });

  it.each<[string, (adapter: TaskQueueAdapter) => Promise<unknown>]>([
    ['are added by the application', (adapter) => adapter.addJob()],
    ['start when they are due', (adapter) => adapter.promoteAll()],
    ['is an option', (adapter) => adapter.setGlobalConcurrency()],
    ['no schedulers', (adapter) => adapter.removeJobScheduler()],
    ['no schedulers', (adapter) => adapter.updateJobScheduler()],
    ['no schedulers', (adapter) => adapter.runJobSchedulerNow()],
  ])('refuses what tasks cannot: %s', async (reason, attempt) => {
    await expect(attempt(adapterOf(kitWithEmails()))).rejects.toThrow(reason);
  });
});
