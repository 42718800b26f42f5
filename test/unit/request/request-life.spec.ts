import { describe, expect, it, jest } from '@jest/globals';
import {
  BackgroundTasks,
  type RequestOptions,
  type TaskHandle,
  type When,
} from '../../../lib/index.js';
import { ambient } from '../../../lib/task/ambient.js';
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
  it('waits until its response has closed, and a turn of the loop more', async () => {
    const { clock, response, tasks } = createRequest();
    const handle = tasks.addTask(() => undefined);
    response.write('a part of it');
    await clock.advance(1000);
    expect(handle.status).toBe('collected');
    const soon = jest.spyOn(clock, 'soon');
    response.answer();
    await closed(response);
    expect([handle.status, soon.mock.calls.length]).toEqual(['collected', 1]);
    await clock.settle();
    expect(handle.status).toBe('completed');
  });

  it('is released with those of all responses that closed in the same turn, in their order', async () => {
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
  it.each([
    [101, SUCCESS],
    [200, SUCCESS],
    [206, SUCCESS],
    [303, SUCCESS],
    [304, SUCCESS],
    [399, SUCCESS],
    [400, FAILURE],
    [403, FAILURE],
    [500, FAILURE],
  ])('%d', async (status, expected) => {
    const { clock, response, tasks } = createRequest();
    const handles = addAll(tasks);
    response.answer(status);
    await clock.settle();
    expect(statuses(handles)).toEqual(expected);
  });

  it.each<[string, () => boolean, string[]]>([
    ['in place of 200', () => false, FAILURE],
    ['unless it throws', () => JSON.parse('no') as boolean, SUCCESS],
  ])('or what the application says %s', async (_, rule, expected) => {
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
  ])("under onFailure: '%s' what is not for a %d stops nothing", async (onFailure, status, end) => {
    const { clock, response, tasks } = createRequest({ request: { onFailure } });
    const handles = addAll(tasks);
    response.answer(status);
    await clock.settle();
    expect(statuses(handles)).toEqual(end);
  });
});

describe('P4: a client that leaves before there is an answer', () => {
  it('leaves the decision to the answer that somebody gives after all', async () => {
    const { clock, life, response, tasks } = createRequest();
    const handles = addAll(tasks);
    const work = new Deferred();
    life.begin(work.promise);
    response.req.socket.destroy();
    await clock.advance(60_000);
    expect(statuses(handles)).toEqual(COLLECTED);
    const more = tasks.addTask(() => undefined);
    response.statusCode = 201;
    response.end('answer');
    response.statusCode = 500;
    await clock.settle();
    expect(statuses([...handles, more])).toEqual([...SUCCESS, 'completed']);
  });

  it('has failed where those at work end without one, whoever has begun since included', async () => {
    const { clock, life, response, tasks } = createRequest();
    const handles = addAll(tasks);
    const [first, second] = [new Deferred(), new Deferred()];
    life.begin(first.promise);
    response.req.socket.destroy();
    life.begin(second.promise);
    first.resolve();
    await clock.settle();
    expect(statuses(handles)).toEqual(COLLECTED);
    second.reject(new Error('no'));
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
  });

  it('has failed where nobody is at work, a moment for middleware later', async () => {
    const { clock, response, tasks } = createRequest();
    const handles = addAll(tasks);
    response.req.socket.destroy();
    await clock.advance(999);
    expect(statuses(handles)).toEqual(COLLECTED);
    await clock.advance(1);
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
    expect([...statuses(addAll(tasks))]).toEqual(['dropped', 'queued', 'queued']);
  });

  it('does not take back an answer that is on its way', async () => {
    const { clock, response, tasks } = createRequest();
    const handles = addAll(tasks);
    response.headersSent = true;
    response.write('event: 1');
    response.req.socket.destroy();
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
  });
});

describe('P5: a task that is added after the response has closed', () => {
  it.each([
    [200, 'queued', 'dropped'],
    [500, 'dropped', 'queued'],
  ])('goes by its %d, and is by itself', async (status, success, failure) => {
    for (const hasOthers of [true, false]) {
      const { clock, response, tasks } = createRequest();
      if (hasOthers) {
        addAll(tasks);
      }
      response.answer(status);
      await clock.settle();
      const late = addAll(tasks);
      expect(statuses(late)).toEqual([success, failure, 'queued']);
    }
  });

  it.each<RequestOptions>([{ onFailure: 'continue' }, { onFailure: 'stop' }])(
    'runs behind its chain and before what stands behind that: %p',
    async (request) => {
      const { clock, response, runner, tasks } = createRequest({ request });
      const ran: string[] = [];
      const chain = tasks.chain();
      chain.addTask(() => ran.push('of the chain'));
      tasks.addTask(() => ran.push('behind'));
      response.answer();
      await closed(response);
      chain.addTask(() => ran.push('late'));
      const idleness = resolutionOf(runner.whenIdle());
      await clock.settle();
      expect(ran).toEqual(['of the chain', 'late', 'behind']);
      expect(idleness.isThere).toBe(true);
    },
  );
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
  ])('decides by its end (%p), at once', async (hasSucceeded, expected) => {
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

  it('gives its tasks to the request around it, decided, and those that are added later, too', async () => {
    const { clock, intake, life, requests, response, tasks } = createRequest();
    const part = requests.beginMessage(life);
    const ofPart = new BackgroundTasks(intake, part, true);
    const before = addAll(ofPart);
    void part.end(false);
    const after = addAll(ofPart);
    const own = addAll(tasks);
    await clock.settle();
    const decided = ['dropped', 'collected', 'collected'];
    expect(statuses([...before, ...after])).toEqual([...decided, ...decided]);
    response.answer();
    await clock.settle();
    expect([before, after, own].map(statuses)).toEqual([FAILURE, FAILURE, SUCCESS]);
  });

  it('runs its tasks by itself where the request around it is over', async () => {
    const { clock, intake, life, requests, response, tasks } = createRequest();
    const part = requests.beginMessage(life);
    tasks.addTask(() => undefined);
    const handles = addAll(new BackgroundTasks(intake, part, true));
    response.answer(500);
    await clock.settle();
    void part.end(true);
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
  });

  it('P17: is answered when what is to run is stored', async () => {
    const { clock, end, handles, stored } = await endStoring();
    stored.resolve();
    await end;
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
  });

  it('P17: fails where that is not stored', async () => {
    const { end, handles, stored } = await endStoring();
    stored.reject(new Error('down'));
    await expect(end).rejects.toThrow('down');
    expect(await handles[0]?.whenSettled()).toMatchObject({ reason: 'not-stored' });
  });
});

describe('what stands for a dedupe key within a request', () => {
  it('is the latest task that has it and is not over, of the request around it, too', async () => {
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

describe('requests under way', () => {
  it('P13: give up what they have collected when the engine has stopped', async () => {
    const { engine, requests, tasks } = createRequest();
    const cancelled = tasks.addTask(() => undefined);
    const handles = [cancelled, tasks.addTask(() => undefined)];
    await cancelled.cancel();
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

  it('are not what their tasks run in: what those add is by itself', async () => {
    const { clock, handle, intake } = createKit();
    const seen: unknown[] = [];
    await handle((tasks) => {
      seen.push(ambient.getStore()?.kind);
      tasks.addTask(() => {
        seen.push(ambient.getStore()?.kind, intake.requestHere());
      });
    });
    await clock.settle();
    expect(seen).toEqual(['request', 'task', undefined]);
  });
});

describe('R9: a handler that is called again', () => {
  it('leaves nothing of the call that failed', async () => {
    const { clock, life, response, tasks } = createRequest();
    const kept = tasks.addTask(() => undefined);
    const failed = life.called();
    const dropped = tasks.addTask(() => undefined);
    failed();
    life.called();
    life.called();
    const again = tasks.addTask(() => undefined);
    response.answer();
    await clock.settle();
    expect(statuses([kept, dropped, again])).toEqual(['completed', 'dropped', 'completed']);
  });
});
