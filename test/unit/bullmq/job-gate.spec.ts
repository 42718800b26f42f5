import { describe, expect, it, jest } from '@jest/globals';
import { gate } from '../../../lib/engine/bullmq/job-gate.js';

/** A worker before a store with one job, behind a gate that the test opens and shuts. */
function createWorker(putBack: () => Promise<void> = () => Promise.resolve()) {
  const state = { isOpen: true };
  const job = { moveToWait: jest.fn(putBack) };
  const take = jest.fn((_token: string, _name?: string) =>
    Promise.resolve<object | undefined>(job),
  );
  const worker = { moveToActive: take };
  gate(worker as never, () => state.isOpen);
  return { state, job, take, worker };
}

describe('a worker behind a gate', () => {
  it('takes jobs while that is open', async () => {
    const { job, take, worker } = createWorker();
    expect(await worker.moveToActive('token', 'name')).toBe(job);
    expect(take.mock.calls).toEqual([['token', 'name']]);
    expect(job.moveToWait).not.toHaveBeenCalled();
  });

  it('asks for none while it is shut', async () => {
    const { state, take, worker } = createWorker();
    state.isOpen = false;
    expect(await worker.moveToActive('token')).toBeUndefined();
    expect(take).not.toHaveBeenCalled();
  });

  it('gives back the one that it took as the gate was shut', async () => {
    const { state, job, worker } = createWorker();
    const taking = worker.moveToActive('token');
    state.isOpen = false;
    expect(await taking).toBeUndefined();
    expect(job.moveToWait.mock.calls).toEqual([['token']]);
  });

  it('leaves that one to its lock where the store is gone', async () => {
    const { state, worker } = createWorker(() => Promise.reject(new Error('gone')));
    const taking = worker.moveToActive('token');
    state.isOpen = false;
    expect(await taking).toBeUndefined();
  });
});
