import { describe, expect, it, jest } from '@jest/globals';
import { BackgroundTasks, type TaskHandle, type When } from '../../../lib/index.js';
import { Deferred } from '../../support/deferred.js';
import { FakeResponse } from '../support/fake-response.js';
import { createKit } from '../support/kit.js';
import { resolutionOf } from '../support/resolution.js';

type Options = Parameters<typeof createKit>[0];

/** A request with a response, on which nobody is at work. */
function createRequest(options?: Options) {
  const kit = createKit(options);
  const response = new FakeResponse();
  const request = {};
  const life = kit.requests.begin({ response, request });
  return { ...kit, response, request, life, tasks: new BackgroundTasks(kit.intake, life, true) };
}

const WHENS: readonly When[] = ['success', 'failure', 'always'];

const addAll = (tasks: BackgroundTasks): TaskHandle[] =>
  WHENS.map((when) => tasks.addTask({ when, name: when }, () => undefined));

const statuses = (handles: readonly TaskHandle[]) => handles.map(({ status }) => status);

const SUCCESS = ['completed', 'dropped', 'completed'];
const FAILURE = ['dropped', 'completed', 'completed'];
const COLLECTED = ['collected', 'collected', 'collected'];

const closed = (response: FakeResponse): Promise<unknown> =>
  new Promise((resolve) => void response.once('close', resolve));

describe('P1: a task of a request', () => {
  it('is released in the order in which responses closed in one turn', async () => {
    const kit = createKit();
    const ran: number[] = [];
    const responses = Array.from({ length: 20 }, (_, index) => {
      const response = new FakeResponse();
      response.headersSent = true;
      const life = kit.requests.begin({ response });
      new BackgroundTasks(kit.intake, life, true).addTask(() => ran.push(index));
      return response;
    });
    responses.toReversed().forEach((response) => response.req.socket.destroy());
    await kit.clock.settle();
    expect(ran).toEqual(responses.map((_, index) => index).toReversed());
  });
});

describe('P3: the status decides', () => {
  it.each<[string, () => boolean, string[]]>([
    ['in place of 200', () => false, FAILURE],
    ['unless it throws', () => JSON.parse('no') as boolean, SUCCESS],
  ])('or request.succeeded, %s', async (_, rule, expected) => {
    const succeeded = jest.fn<(answered: unknown) => boolean>(rule);
    const { clock, logger, request, response, tasks } = createRequest({ request: { succeeded } });
    const handles = addAll(tasks);
    response.answer();
    await clock.settle();
    const late = addAll(tasks);
    await clock.settle();
    expect([statuses(handles), statuses(late)]).toEqual([expected, expected]);
    expect(succeeded.mock.calls).toEqual([[{ status: 200, request }]]);
    const told = logger.of('error').some((line) => line.includes('request.succeeded'));
    expect(told).toBe(expected === SUCCESS);
  });

  it.each<['stop', number, string[]]>([
    ['stop', 200, SUCCESS],
    ['stop', 403, FAILURE],
  ])(
    "and a task that is dropped by it stops nothing with onFailure: '%s', %d",
    async (onFailure, status, end) => {
      const { clock, response, tasks } = createRequest({ request: { onFailure } });
      const handles = addAll(tasks);
      response.answer(status);
      await clock.settle();
      expect(statuses(handles)).toEqual(end);
    },
  );
});

describe('P4: a client that leaves before there is an answer', () => {
  it.each(['before', 'after'])(
    'is a failure if no handler is at work, after a moment for middleware: it leaves %s the first task',
    async (when) => {
      const { clock, response, tasks } = createRequest();
      const early = when === 'after' ? addAll(tasks) : undefined;
      response.req.socket.destroy();
      const handles = early ?? addAll(tasks);
      await clock.advance(999);
      expect(statuses(handles)).toEqual(COLLECTED);
      await clock.advance(1);
      await clock.settle();
      expect(statuses(handles)).toEqual(FAILURE);
      expect([...statuses(addAll(tasks))]).toEqual(['dropped', 'queued', 'queued']);
    },
  );
});

describe('P4: a client that leaves while nobody is at work yet', () => {
  it.each([
    [399, SUCCESS],
    [400, FAILURE],
  ])('goes by the status that it would have got: %i', async (status, expected) => {
    const { clock, life, response, tasks } = createRequest();
    const handles = addAll(tasks);
    response.req.socket.destroy();
    life.begin(new Promise(() => undefined));
    await clock.advance(2_000);
    response.answer(status);
    await clock.settle();
    expect(statuses(handles)).toEqual(expected);
  });

  it.each([1, 2])('waits for the %i handlers that begin within a moment', async (count) => {
    const { clock, life, response, tasks } = createRequest();
    const handles = addAll(tasks);
    response.req.socket.destroy();
    const works = Array.from({ length: count }, () => new Deferred());
    works.forEach(({ promise }) => life.begin(promise));
    for (const { resolve } of works.toReversed()) {
      await clock.advance(2_000);
      expect(statuses(handles)).toEqual(COLLECTED);
      resolve();
    }
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
  });
});

describe('P5: the first task of a request that has closed', () => {
  it.each([
    [200, ['queued', 'dropped', 'queued']],
    [500, ['dropped', 'queued', 'queued']],
  ])('runs at once if the status was for it: %i', async (status, expected) => {
    const { response, tasks } = createRequest();
    response.answer(status);
    await closed(response);
    expect(statuses(addAll(tasks))).toEqual(expected);
  });
});

it('R9: a handler that is called again leaves nothing of its failed call, and what was added before stays', async () => {
  const { clock, life, response, tasks } = createRequest();
  life.called()(); // adds nothing
  life.called();
  const [before] = addAll(tasks);
  const failed = life.called();
  const handles = addAll(tasks);
  failed();
  life.called();
  response.answer();
  await clock.settle();
  expect([before?.status, ...statuses(handles)]).toEqual([
    'completed',
    'dropped',
    'dropped',
    'dropped',
  ]);
  expect(await handles[2]?.whenSettled()).toMatchObject({ reason: 'request-failed' });
});

/** A message whose tasks are being stored. */
async function endStoring() {
  const { clock, engine, intake, requests } = createKit();
  const stored = new Deferred();
  const commit = jest.spyOn(engine, 'commit').mockReturnValue(stored.promise);
  const life = requests.beginMessage();
  const handles = addAll(new BackgroundTasks(intake, life, true));
  const end = Promise.resolve(life.end(true));
  const ending = resolutionOf(end.catch(() => undefined));
  await clock.settle();
  expect([ending.isThere, commit.mock.calls[0]?.[1]]).toEqual([false, false]);
  return { clock, stored, handles, end };
}

describe('P6: a handler without an HTTP answer of its own', () => {
  it.each([
    [true, SUCCESS],
    [false, FAILURE],
  ])('decides at once by its end (%p)', async (hasSucceeded, expected) => {
    const { clock, intake, requests } = createKit();
    const life = requests.beginMessage();
    const tasks = new BackgroundTasks(intake, life, true);
    const handles = addAll(tasks);
    expect(life.end(hasSucceeded)).toBeUndefined();
    await clock.settle();
    expect(statuses(handles)).toEqual(expected);
    const late = addAll(tasks);
    await clock.settle();
    expect(statuses(late)).toEqual(expected);
  });

  it('P17: is answered when its tasks are stored', async () => {
    const { clock, end, handles, stored } = await endStoring();
    stored.resolve();
    await end;
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
  });

  it('P17: fails if they are not stored', async () => {
    const { end, handles, stored } = await endStoring();
    stored.reject(new Error('down'));
    await expect(end).rejects.toThrow('down');
    expect(await handles[0]?.whenSettled()).toMatchObject({ reason: 'not-stored' });
  });
});

describe('the holder of a dedupe key within a request', () => {
  it('is its latest unsettled task, or one of the request around it', async () => {
    const { intake, life, requests, tasks } = createRequest();
    const part = requests.beginMessage(life);
    const dedupe = { key: 'k' };
    const outer = tasks.addTask({ dedupe }, () => undefined);
    expect(tasks.addTask({ dedupe }, () => undefined).id).toBe(outer.id);
    const key = life.collected[0]?.keys?.dedupe ?? '';
    expect(part.duplicateOf(key)?.id).toBe(outer.id);
    await outer.cancel();
    expect(life.duplicateOf(key)).toBeUndefined();
    const inner = new BackgroundTasks(intake, part, true).addTask({ dedupe }, () => undefined);
    expect([part.duplicateOf(key)?.id, life.duplicateOf(key)]).toEqual([inner.id, undefined]);
  });
});

it('O2, P12: a root field of GraphQL is refused where its request is', () => {
  const { intake, life, requests, response } = createRequest();
  for (let count = 0; count < 100; count += 1) {
    const behind = requests.begin({ response: new FakeResponse(response.req.socket) });
    new BackgroundTasks(intake, behind, true).addTask(() => undefined);
  }
  const tasks = new BackgroundTasks(intake, requests.beginMessage(life), true);
  expect(() => tasks.addTask(() => undefined)).toThrow(
    expect.objectContaining({ code: 'BGT_UNREAD_ANSWERS' }),
  );
});

describe('requests under way', () => {
  it('P13: abandon their collected tasks when the engine has stopped', async () => {
    const { engine, requests, tasks } = createRequest();
    const cancelled = tasks.addTask(() => undefined);
    const handles = [cancelled, tasks.addTask(() => undefined)];
    await cancelled.cancel();
    expect([...requests.collected()].map(({ id }) => id)).toEqual([handles[1]?.id]);
    await engine.stop(0);
    requests.abandon();
    expect(statuses(handles)).toEqual(['cancelled', 'abandoned']);
    expect([...requests.collected()]).toEqual([]);
  });

  it('P13: are waited for once decided', async () => {
    const { clock, requests, response, tasks } = createRequest();
    expect(requests.whenClosedReleased()).toBeUndefined();
    const handle = tasks.addTask({ when: 'failure' }, () => undefined);
    response.answer();
    await closed(response);
    const released = Promise.resolve(requests.whenClosedReleased()).then(() => handle.status);
    await clock.settle();
    expect(await released).toBe('dropped');
    expect(requests.whenClosedReleased()).toBeUndefined();
  });
});
