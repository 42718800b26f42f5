import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Worker } from 'bullmq';
import { TaskFailed, type StoredEnd } from '../../../lib/engine/bullmq/codec/stored-end.js';
import type { JobWorker, TaskJob } from '../../../lib/engine/bullmq/codec/stored-job.js';
import { createTaskWorker, missingFrom } from '../../../lib/engine/bullmq/store/task-worker.js';

const COMPLETED: StoredEnd = { status: 'completed', attempts: 1, durationMs: 0.5 };
const shuttingDown = new Error('the database system is shutting down');
const lockLost = Object.assign(new Error('Missing lock for job'), { code: -2 });

/** A store of one job, which fails with these errors first, in turn: BullMQ's own worker is before it. */
class Backend extends EventEmitter {
  readonly done: string[] = [];
  errors: Error[] = [];
  readonly waitUntilReady = (): Promise<void> => Promise.resolve();
  readonly moveToActive = jest.fn(() => Promise.resolve([JOB, 'id', 0, 0]));
  readonly moveJobFromActiveToWait = jest.fn(() => this.did('put back'));
  readonly moveToCompleted = (_job: TaskJob, end: unknown): Promise<[]> =>
    this.did(`completed: ${JSON.stringify(end)}`);
  readonly moveToFailed = (_job: TaskJob, reason: string): Promise<{ result: [] }> =>
    this.did(`failed: ${reason}`).then((result) => ({ result }));

  private async did(what: string): Promise<[]> {
    this.done.push(what);
    const error = this.errors.shift();
    if (error !== undefined) {
      throw error;
    }
    return [];
  }
}

const JOB = { name: 'name', data: '{}', opts: {}, timestamp: 0 };

describe("a worker of BullMQ's with its repairs", () => {
  let backend: Backend;
  let gate: { isOpen: boolean; isClosed: boolean; over: string[] };
  let worker: JobWorker;
  let job: TaskJob;

  beforeEach(async () => {
    backend = new Backend();
    gate = { isOpen: true, isClosed: false, over: [] };
    worker = createTaskWorker(
      Worker,
      {
        process: () => Promise.resolve(COMPLETED),
        isOpen: () => gate.isOpen,
        isClosed: () => gate.isClosed,
        declined: () => void gate.over.push('declined'),
        over: ({ id = '' }) => void gate.over.push(id),
      },
      'queue',
      { connection: {}, autorun: false },
      () => backend,
    );
    // Nobody is to wait for a store that is about to come back.
    worker.delay = () => Promise.resolve();
    job = await worker['moveToActive']('token');
    backend.moveToActive.mockClear();
  });

  const fail = async (error: Error, end: StoredEnd | null): Promise<unknown> => {
    job.returnvalue = end as StoredEnd;
    return worker['handleFailed'](error, job, 'token', () => false);
  };

  it('finds all it needs in the installed BullMQ', () => {
    expect(missingFrom(Worker)).toEqual([]);
    expect(missingFrom(EventEmitter as never)).toContain('moveToActive');
  });

  it('takes jobs only while its gate is open', async () => {
    expect(await worker['moveToActive']('token')).toMatchObject({ id: 'id', name: 'name' });
    gate.isOpen = false;
    expect(await worker['moveToActive']('token')).toBeUndefined();
    expect(backend.moveToActive).toHaveBeenCalledTimes(1);
    expect(backend.done).toEqual([]);
  });

  it('renews the lock of a job from its fetch on', async () => {
    const locks = worker['lockManager'];
    expect(locks.getActiveJobCount()).toBe(1);
    await worker.processJob(job, 'token', () => false);
    expect(locks.getActiveJobCount()).toBe(0);
    const taking = worker['moveToActive']('token');
    gate.isOpen = false;
    await taking;
    expect(locks.getActiveJobCount()).toBe(0);
  });

  it.each([[], [new Error('gone')]])(
    'gives back a job that it took as the gate was shut, or leaves it to its lock',
    async (...errors) => {
      backend.errors = errors;
      const taking = worker['moveToActive']('token');
      gate.isOpen = false;
      expect(await taking).toBeUndefined();
      expect(backend.done).toEqual(['put back']);
    },
  );

  it.each([
    ['completed', shuttingDown, COMPLETED, `completed: ${JSON.stringify(COMPLETED)}`],
    ['failed', new TaskFailed(new Error('no')), null, 'failed: no'],
  ])('records again that a task %s if the store is stopping', async (_, error, end, record) => {
    backend.errors = [shuttingDown];
    await fail(error, end);
    expect(backend.done).toEqual([record, record]);
    expect(gate.over).toEqual(['id']);
  });

  it('leaves a job to the worker that has its lock', async () => {
    await expect(fail(lockLost, COMPLETED)).rejects.toThrow(lockLost);
    expect(backend.done).toEqual([]);
    expect(gate.over).toEqual(['id']);
  });

  it('gives up recording when the lock is lost or the process closes', async () => {
    backend.errors = [lockLost, shuttingDown];
    await expect(fail(shuttingDown, COMPLETED)).rejects.toThrow(lockLost);
    gate.isClosed = true;
    await expect(fail(shuttingDown, COMPLETED)).rejects.toThrow(shuttingDown);
  });
});
