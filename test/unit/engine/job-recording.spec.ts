import { beforeEach, describe, expect, it } from '@jest/globals';
import { recordVerdicts } from '../../../lib/engine/bullmq/job-recording.js';
import { TaskFailed } from '../../../lib/engine/bullmq/job-signals.js';
import type { JobWorker } from '../../../lib/engine/bullmq/job-store.js';
import type { Clock } from '../../../lib/task/clock.js';

/** Every wait is over at once. */
const clock = { after: (_ms: number, callback: () => void) => callback() } as unknown as Clock;
const shuttingDown = new Error('the database system is shutting down');
const lockLost = Object.assign(new Error('Missing lock for job'), { code: -2 });

/** What BullMQ would do with a job; it fails with these errors first, in turn. */
class Recorder {
  readonly done: string[] = [];

  constructor(private readonly errors: Error[]) {}

  async handleCompleted(end: unknown): Promise<void> {
    await this.did(`completed: ${JSON.stringify(end)}`);
  }

  async handleFailed(error: Error): Promise<void> {
    await this.did(`failed: ${error.message}`);
  }

  private async did(what: string): Promise<void> {
    this.done.push(what);
    const error = this.errors.shift();
    if (error !== undefined) {
      throw error;
    }
  }
}

function fail(worker: Recorder, error: Error, returnvalue: unknown): Promise<void> {
  return (worker.handleFailed as (error: Error, job: unknown) => Promise<void>)(error, {
    returnvalue,
  });
}

describe('the recording of what became of a job', () => {
  let isClosed: boolean;

  beforeEach(() => {
    isClosed = false;
  });

  function recorder(...errors: Error[]): Recorder {
    const made = new Recorder(errors);
    recordVerdicts(made as unknown as JobWorker, clock, () => isClosed);
    return made;
  }

  it.each([
    [0.25, 'completed: 0.25'],
    [undefined, 'completed: 0'],
  ])('is tried again where the store is about to stop', async (returnvalue, record) => {
    const worker = recorder(shuttingDown);
    await fail(worker, shuttingDown, returnvalue);
    expect(worker.done).toEqual([record, record]);
  });

  it('is a failure where the task has failed, and is tried again, too', async () => {
    const worker = recorder(shuttingDown);
    await fail(worker, new TaskFailed(new Error('no')), null);
    expect(worker.done).toEqual(['failed: no', 'failed: no']);
  });

  it('is left to the worker that has the lock', async () => {
    const worker = recorder();
    await expect(fail(worker, lockLost, 0.25)).rejects.toThrow(lockLost);
    expect(worker.done).toEqual([]);
  });

  it('ends when the lock is lost, and when the process closes', async () => {
    await expect(fail(recorder(lockLost), shuttingDown, 0.25)).rejects.toThrow(lockLost);
    isClosed = true;
    await expect(fail(recorder(shuttingDown), shuttingDown, 0.25)).rejects.toThrow(shuttingDown);
  });
});
