import { describe, expect, it, jest } from '@jest/globals';
import { BackgroundTasks, type TaskHandle, type When } from '../../../lib/index.js';
import { lineFrom } from '../../../lib/task/line.js';
import type { Task } from '../../../lib/task/task.js';
import { Deferred } from '../support/deferred.js';
import { FakeResponse } from '../support/fake-response.js';
import { createKit } from '../support/kit.js';
import { resolutionOf } from '../support/resolution.js';

/** What the store was asked to take, and what is to become of that. */
interface Commit {
  readonly tasks: readonly Task[];
  readonly names: readonly string[];
  readonly isAnswered: boolean | undefined;
  readonly end: Deferred;
}

/** A request whose tasks take their time to be stored: until the test says so. */
function createRequest() {
  const kit = createKit();
  const response = new FakeResponse();
  const commits: Commit[] = [];
  jest.spyOn(kit.engine, 'commit').mockImplementation((heads, isAnswered) => {
    const tasks = heads.flatMap((head) => [...lineFrom(head)]);
    const end = new Deferred();
    commits.push({ tasks, names: tasks.map(({ name }) => name), isAnswered, end });
    return end.promise;
  });
  const collection = kit.release.open(response);
  return {
    ...kit,
    response,
    collection,
    commits,
    tasks: new BackgroundTasks(kit.intake, collection, true),
  };
}

const statuses = (handles: readonly TaskHandle[]) => handles.map(({ status }) => status);
const NOT_STORED = { status: 'dropped', reason: 'not-stored' };

describe('P17: the tasks of a handler that ends', () => {
  it('are stored together, those that are to run, before it is over', async () => {
    const { clock, collection, commits, release, response, tasks } = createRequest();
    const handles = [
      tasks.addTask({ name: 'a' }, () => undefined),
      tasks.addTask({ name: 'b', when: 'failure' }, () => undefined),
      tasks.addTask({ name: 'c', when: 'always' }, () => undefined),
    ];
    const cancelled = tasks.addTask({ name: 'd' }, () => undefined);
    await cancelled.cancel();
    release.begin(collection);
    const end = Promise.resolve(release.end(collection, true));
    const ending = resolutionOf(end);
    await clock.settle();
    expect(commits).toMatchObject([{ names: ['a', 'c'], isAnswered: true }]);
    expect([ending.isThere, ...statuses(handles)]).toEqual([
      false,
      'collected',
      'dropped',
      'collected',
    ]);
    commits[0]?.end.resolve();
    await end;
    response.answer();
    await clock.settle();
    expect(statuses(handles)).toEqual(['completed', 'dropped', 'completed']);
    expect(commits).toHaveLength(1);
  });

  it('are dropped where the store does not take them, and it fails with the reason', async () => {
    const { clock, collection, commits, record, release, response, tasks } = createRequest();
    const events = record();
    const handles = [1, 2, 3].map(() => tasks.addTask(() => undefined));
    release.begin(collection);
    const end = release.end(collection, true);
    const cancelled = handles.pop();
    await cancelled?.cancel();
    commits[0]?.end.reject(new Error('down'));
    await expect(end).rejects.toThrow('down');
    expect(cancelled?.status).toBe('cancelled');
    expect(events.filter(({ type }) => type === 'dropped')).toHaveLength(2);
    expect(await Promise.all(handles.map((each) => each.whenSettled()))).toEqual([
      NOT_STORED,
      NOT_STORED,
    ]);
    response.answer(503);
    await clock.settle();
    expect(commits).toHaveLength(1);
  });

  it.each<When>(['failure', 'success'])(
    'fail the handler where the store does not take them, for a filter’s task for its %s, too',
    async (when) => {
      const { clock, collection, commits, release, response, tasks } = createRequest();
      tasks.addTask(() => undefined);
      release.begin(collection);
      const end = release.end(collection, true);
      commits[0]?.end.reject(new Error('down'));
      await expect(end).rejects.toThrow('down');
      const ofFilter = tasks.addTask({ name: 'of the filter', when }, () => undefined);
      response.answer(503);
      await clock.settle();
      commits[1]?.end.resolve();
      await clock.settle();
      const hasRun = when !== 'success';
      expect(commits.slice(1).flatMap(({ names }) => names)).toEqual(
        hasRun ? ['of the filter'] : [],
      );
      expect(await ofFilter.whenSettled()).toMatchObject(
        hasRun ? { status: 'completed' } : { status: 'dropped', reason: 'handler-failed' },
      );
    },
  );

  it('are released as soon as they are stored where no response is waited for', async () => {
    const kit = createKit();
    const stored = new Deferred();
    const commit = jest.spyOn(kit.engine, 'commit').mockReturnValue(stored.promise);
    const collection = kit.release.open(undefined);
    const handle = new BackgroundTasks(kit.intake, collection, true).addTask(() => undefined);
    kit.release.begin(collection);
    const end = kit.release.end(collection, true);
    await kit.clock.settle();
    expect([handle.status, commit.mock.calls[0]?.[1]]).toEqual(['collected', false]);
    stored.resolve();
    await end;
    await kit.clock.settle();
    expect(handle.status).toBe('completed');
  });

  it('ask the store for nothing where there are none', () => {
    const { collection, commits, release } = createRequest();
    release.begin(collection);
    expect(release.end(collection, true)).toBeUndefined();
    expect(commits).toEqual([]);
  });
});

/** Its handler has ended and its response has closed; the last two tasks came in between. */
const addLate = async () => {
  const request = createRequest();
  const { collection, commits, release, response, tasks } = request;
  const early = tasks.addTask({ name: 'early' }, () => undefined);
  release.begin(collection);
  const end = release.end(collection, true);
  commits[0]?.end.resolve();
  await end;
  const handles = [
    early,
    tasks.addTask({ name: 'late' }, () => undefined),
    tasks.addTask({ name: 'never', when: 'failure' }, () => undefined),
  ];
  response.answer();
  await request.clock.settle();
  return { ...request, handles };
};

describe('P17: tasks that are added after the handler’s end', () => {
  it('are stored when the response has closed, by themselves, and run then', async () => {
    const { clock, commits, handles } = await addLate();
    expect(commits.map(({ names }) => names)).toEqual([['early'], ['late']]);
    expect(statuses(handles)).toEqual(['collected', 'collected', 'dropped']);
    commits[1]?.end.resolve();
    await clock.settle();
    expect(statuses(handles)).toEqual(['completed', 'completed', 'dropped']);
  });

  it('are dropped where the store does not take them, and the others run', async () => {
    const { clock, commits, handles } = await addLate();
    commits[1]?.end.reject(new Error('down'));
    await clock.settle();
    expect(statuses(handles)).toEqual(['completed', 'dropped', 'dropped']);
    expect(await handles[1]?.whenSettled()).toEqual(NOT_STORED);
  });
});

/** A chain of three, the second of which comes to `change`, and a task beside it. */
const endChain = async (change: (second: TaskHandle) => unknown, when: When = 'success') => {
  const request = createRequest();
  const { collection, commits, release, tasks } = request;
  const chain = tasks.chain();
  const first = chain.addTask({ name: 'first' }, () => undefined);
  const second = chain.addTask({ name: 'second', when }, () => undefined);
  tasks.addTask({ name: 'beside' }, () => undefined);
  const third = chain.addTask({ name: 'third' }, () => undefined);
  await change(second);
  release.begin(collection);
  void release.end(collection, true);
  return { ...request, chain, handles: [first, second, third], stored: commits[0]?.names };
};

describe('P17: a chain of a handler that ends', () => {
  it('is stored up to a task that was cancelled, and the rest of it is dropped', async () => {
    const { handles, stored } = await endChain((second) => second.cancel());
    expect(stored).toEqual(['first', 'beside']);
    expect(statuses(handles)).toEqual(['collected', 'cancelled', 'dropped']);
    expect(await handles[2]?.whenSettled()).toEqual({
      status: 'dropped',
      reason: 'predecessor-failed',
    });
  });

  it('drops what is added behind a task that was cancelled before the handler’s end', async () => {
    const { chain, clock, commits, response } = await endChain((second) => second.cancel());
    commits[0]?.end.resolve();
    await clock.settle();
    const late = chain.addTask({ name: 'late' }, () => undefined);
    response.answer();
    await clock.settle();
    expect(late.status).toBe('dropped');
    expect(commits.slice(1).flatMap(({ names }) => names)).toEqual([]);
  });

  it('is stored up to a task that the handler’s end drops', async () => {
    const { handles, stored } = await endChain(() => undefined, 'failure');
    expect(stored).toEqual(['first', 'beside']);
    expect(statuses(handles)).toEqual(['collected', 'dropped', 'dropped']);
  });

  it('is not broken by a task whose work another one does', async () => {
    const { chain, clock, commits, handles, response, stored } = await endChain(() => undefined);
    expect(stored).toEqual(['first', 'second', 'beside', 'third']);
    commits[0]?.tasks[1]?.settle({ status: 'dropped', reason: 'duplicate' });
    commits[0]?.end.resolve();
    await clock.settle();
    const late = chain.addTask({ name: 'late' }, () => undefined);
    response.answer();
    await clock.settle();
    expect(commits[1]?.names).toEqual(['late']);
    expect(statuses([...handles, late])).toEqual([
      'collected',
      'dropped',
      'collected',
      'collected',
    ]);
  });

  it('drops what is added behind a task that was cancelled since', async () => {
    const { chain, clock, commits, handles, response } = await endChain(() => undefined);
    commits[0]?.end.resolve();
    await clock.settle();
    await handles[2]?.cancel();
    const late = chain.addTask({ name: 'late' }, () => undefined);
    response.answer();
    await clock.settle();
    expect(late.status).toBe('dropped');
    expect(commits.slice(1).flatMap(({ names }) => names)).toEqual([]);
  });
});

describe('what requests under way have collected', () => {
  it('is listed until it is released', async () => {
    const { clock, release, response, runner, tasks } = createRequest();
    const kept = tasks.addTask({ name: 'kept' }, () => undefined);
    const cancelled = tasks.addTask({ name: 'cancelled' }, () => undefined);
    await cancelled.cancel();
    expect([...release.collected()].map(({ name }) => name)).toEqual(['kept']);
    expect((await runner.list({ status: 'collected' })).map(({ id }) => id)).toEqual([kept.id]);
    response.answer(404);
    await clock.settle();
    expect(kept.status).toBe('dropped');
    expect([...release.collected()]).toEqual([]);
  });

  it('P13: is told as abandoned when the engine has stopped', async () => {
    const { engine, release, tasks } = createRequest();
    const cancelled = tasks.addTask(() => undefined);
    const handles = [cancelled, tasks.addTask(() => undefined)];
    await cancelled.cancel();
    await engine.stop(0);
    release.abandon();
    expect(statuses(handles)).toEqual(['cancelled', 'abandoned']);
    expect([...release.collected()]).toEqual([]);
  });
});

describe('P13: a shutdown', () => {
  it('has nothing to wait for where no response has just closed', () => {
    expect(createRequest().release.whenClosedReleased()).toBeUndefined();
  });

  it('waits until the tasks of responses that have just closed are released', async () => {
    const { clock, release, response, tasks } = createRequest();
    const handle = tasks.addTask({ when: 'failure' }, () => undefined);
    response.answer();
    await new Promise((resolve) => void response.once('close', resolve));
    expect(handle.status).toBe('collected');
    const released = Promise.resolve(release.whenClosedReleased()).then(() => handle.status);
    await clock.settle();
    expect(await released).toBe('dropped');
    expect(release.whenClosedReleased()).toBeUndefined();
  });

  it('waits for those, too, whose release is a turn of the loop away', async () => {
    const { clock, release, response, tasks } = createRequest();
    const handle = tasks.addTask({ when: 'failure' }, () => undefined);
    let released: Promise<string> | undefined;
    response.answer();
    await new Promise((resolve) => void response.once('close', resolve));
    clock.soon(() => {
      released = Promise.resolve(release.whenClosedReleased()).then(() => handle.status);
    });
    await clock.settle();
    expect(await released).toBe('dropped');
  });
});
