import { describe, expect, it, jest } from '@jest/globals';
import {
  BackgroundTasks,
  type RequestOptions,
  type TaskHandle,
  type When,
} from '../../../lib/index.js';
import { ambient } from '../../../lib/task/ambient.js';
import { FakeResponse } from '../support/fake-response.js';
import { createKit } from '../support/kit.js';
import { resolutionOf } from '../support/resolution.js';

/** A request with a response, which nobody has begun to handle. */
function createRequest(...given: Parameters<typeof createKit>) {
  const kit = createKit(...given);
  const response = new FakeResponse();
  const collection = kit.release.open(response);
  const tasks = new BackgroundTasks(kit.intake, collection, true);
  return { ...kit, response, collection, tasks };
}

const WHENS: readonly When[] = ['success', 'failure', 'always'];

/** Adds a task for each end. */
const addForEachEnd = (tasks: BackgroundTasks): TaskHandle[] =>
  WHENS.map((when) => tasks.addTask({ when }, () => undefined));

const statuses = (handles: readonly TaskHandle[]) => handles.map(({ status }) => status);

const SUCCESS = ['completed', 'dropped', 'completed'];
const FAILURE = ['dropped', 'completed', 'completed'];

describe('P1: a task of a request', () => {
  it('waits for the handler’s end and the response’s, and a turn of the loop more', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const body = jest.fn();
    const handle = tasks.addTask(body);
    release.begin(collection);
    await clock.advance(1000);
    await release.end(collection, true);
    await clock.advance(1000);
    expect([handle.status, body.mock.calls.length]).toEqual(['collected', 0]);

    const soon = jest.spyOn(clock, 'soon');
    response.answer();
    await clock.settle();
    expect(soon).toHaveBeenCalled();
    expect([handle.status, body.mock.calls.length]).toEqual(['completed', 1]);
  });

  it('is not started while the response is still being sent', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const body = jest.fn();
    tasks.addTask(body);
    release.begin(collection);
    await release.end(collection, true);
    for (let chunk = 0; chunk < 10; chunk++) {
      response.write('a part of it');
      await clock.advance(100);
    }
    expect(body).not.toHaveBeenCalled();
    response.answer();
    await clock.settle();
    expect(body).toHaveBeenCalledTimes(1);
  });

  it('may be added between the handler’s end and the response’s', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    release.begin(collection);
    await release.end(collection, true);
    const handle = tasks.addTask(() => undefined);
    await clock.settle();
    expect(handle.status).toBe('collected');
    response.answer();
    await clock.settle();
    expect(handle.status).toBe('completed');
  });

  it('P5: is queued at once where it is added after the response has closed', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    tasks.addTask(() => undefined);
    release.begin(collection);
    await release.end(collection, true);
    response.answer();
    await clock.settle();
    const late = tasks.addTask(() => undefined);
    expect(late.status).toBe('queued');
    await clock.settle();
    expect(late.status).toBe('completed');
  });

  it('P5: is not lost where it is the first, added after the response has closed', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    release.begin(collection);
    await release.end(collection, true);
    response.answer();
    await clock.settle();
    const late = tasks.addTask(() => undefined);
    expect(late.status).toBe('queued');
    await clock.settle();
    expect(late.status).toBe('completed');
  });

  it('P5: is not lost where it is the first, added after the connection has gone', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    release.begin(collection);
    await release.end(collection, true);
    response.req.socket.destroy();
    response.destroy();
    await clock.settle();
    const late = tasks.addTask(() => undefined);
    await clock.settle();
    expect(late.status).toBe('completed');
  });
});

describe('the events of a request’s tasks', () => {
  it('say which of them were queued, when they are released, and which were not', async () => {
    const { clock, collection, record, release, response, tasks } = createRequest();
    const events = record();
    tasks.addTask({ name: 'runs' }, () => undefined);
    tasks.addTask({ name: 'is not for this end', when: 'failure' }, () => undefined);
    const cancelled = tasks.addTask({ name: 'is cancelled' }, () => undefined);
    release.begin(collection);
    await release.end(collection, true);
    await cancelled.cancel();
    expect(events.map(({ type }) => type)).not.toContain('queued');
    response.answer();
    await clock.settle();
    expect(events.map((event) => `${event.name}: ${event.type}`).slice(3)).toEqual([
      'is not for this end: dropped',
      'is cancelled: cancelled',
      'runs: queued',
      'runs: started',
      'runs: completed',
    ]);
  });
});

describe('a chain of a request that was answered before its handler', () => {
  it('is dropped from the first on that is not for that, what came as it closed included', async () => {
    const { clock, response, tasks } = createRequest();
    const chain = tasks.chain();
    const first = chain.addTask({ when: 'failure' }, () => undefined);
    response.answer();
    await new Promise((resolve) => void response.once('close', resolve));
    const second = chain.addTask(() => undefined);
    await clock.settle();
    expect(await first.whenSettled()).toEqual({ status: 'dropped', reason: 'handler-completed' });
    expect(await second.whenSettled()).toEqual({
      status: 'dropped',
      reason: 'predecessor-failed',
    });
  });
});

describe('P5: a task that is added to a chain after the response closed, before the release', () => {
  it.each<RequestOptions>([{ onFailure: 'continue' }, { onFailure: 'stop' }])(
    'runs behind its request, in the order added: %p',
    async (request) => {
      const { clock, collection, release, response, runner, tasks } = createRequest({ request });
      const ran: string[] = [];
      const chain = tasks.chain();
      chain.addTask(() => ran.push('of the chain'));
      tasks.addTask(() => ran.push('behind'));
      tasks.addTask(() => ran.push('last'));
      release.begin(collection);
      await release.end(collection, true);
      response.answer();
      await new Promise((resolve) => void response.once('close', resolve));
      chain.addTask(() => ran.push('late'));
      chain.addTask(() => ran.push('later'));
      const idleness = resolutionOf(runner.whenIdle());
      await clock.settle();
      expect(ran).toEqual(['of the chain', 'behind', 'last', 'late', 'later']);
      expect(idleness.isThere).toBe(true);
    },
  );
});

describe('P2: a task that a listener adds as the handler ends', () => {
  it('comes behind those that were there before', async () => {
    const { clock, collection, release, response, runner, tasks } = createRequest();
    const ran: string[] = [];
    runner.events.subscribe(({ type }) => {
      if (type === 'dropped') {
        tasks.addTask(() => ran.push('of the listener'));
      }
    });
    tasks.addTask({ when: 'failure' }, () => undefined);
    tasks.addTask(() => ran.push('of the handler'));
    release.begin(collection);
    await release.end(collection, true);
    response.answer();
    await clock.settle();
    expect(ran).toEqual(['of the handler', 'of the listener']);
  });
});

describe('P3: on which end of the handler a task runs', () => {
  it('a handler that completed', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    release.begin(collection);
    await release.end(collection, true);
    response.answer();
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
    expect(await handles[1]?.whenSettled()).toEqual({
      status: 'dropped',
      reason: 'handler-completed',
    });
  });

  it('a handler that completed with a status of an error, set by itself', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    release.begin(collection);
    await release.end(collection, true);
    response.answer(404);
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
  });

  it('a handler that threw', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    release.begin(collection);
    await release.end(collection, false);
    await clock.settle();
    expect(statuses(handles)).toEqual(['dropped', 'collected', 'collected']);
    response.answer(500);
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
    expect(await handles[0]?.whenSettled()).toEqual({
      status: 'dropped',
      reason: 'handler-failed',
    });
  });

  it.each([500, 200])('a handler that threw, with a filter that answers %d', async (status) => {
    const { clock, collection, release, response, tasks } = createRequest();
    release.begin(collection);
    await release.end(collection, false);
    const handles = addForEachEnd(tasks);
    response.answer(status);
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
  });

  it.each([400, 401, 403, 404, 500])('a request refused before it, with %d', async (status) => {
    const { clock, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    response.answer(status);
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
  });

  it.each([200, 204, 302])('a request answered before it, with %d', async (status) => {
    const { clock, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    response.answer(status);
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
  });

  it('a client that left before anything was answered or handled', async () => {
    const { clock, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    response.req.socket.destroy();
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
  });

  it('a stream that its client left', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    release.begin(collection);
    response.headersSent = true;
    response.write('event: 1');
    release.leave(collection);
    response.req.socket.destroy();
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
  });
});

describe("P3: under onFailure: 'stop'", () => {
  const STOP = { request: { onFailure: 'stop' } } as const;

  it('what a refused request drops does not stop those that are for that', async () => {
    const { clock, response, tasks } = createRequest(STOP);
    const handles = addForEachEnd(tasks);
    response.answer(403);
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
  });

  it('what is added after the handler’s end, and is not for that, does not stop the others', async () => {
    const { clock, collection, release, response, tasks } = createRequest(STOP);
    const first = tasks.addTask(() => undefined);
    release.begin(collection);
    await release.end(collection, true);
    const late = addForEachEnd(tasks).toReversed();
    response.answer();
    await clock.settle();
    expect(statuses([first, ...late])).toEqual(['completed', ...SUCCESS]);
  });

  it('a chain that is not for that does not stop the others', async () => {
    const { clock, handle } = createKit(STOP);
    const handles = await handle((tasks) => {
      const chain = tasks.chain();
      return [
        chain.addTask({ when: 'failure' }, () => undefined),
        chain.addTask(() => undefined),
        tasks.addTask(() => undefined),
      ];
    });
    await clock.settle();
    expect(statuses(handles)).toEqual(['dropped', 'dropped', 'completed']);
  });
});

describe('P3: a stream that its client left', () => {
  it('before anything of it was sent has failed', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    release.begin(collection);
    release.leave(collection);
    response.req.socket.destroy();
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
  });

  it('before it was there is left, whoever may yet subscribe to it', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    release.begin(collection);
    response.req.socket.destroy();
    const taken = release.offer(collection);
    expect(collection.handler).toBe('running');
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
    taken();
    await release.end(collection, true);
    expect(statuses(handles)).toEqual(FAILURE);
  });

  it('after somebody subscribed to it is left by whoever did', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    release.begin(collection);
    release.offer(collection)();
    response.req.socket.destroy();
    await clock.settle();
    expect(statuses(handles)).toEqual(['collected', 'collected', 'collected']);
    await release.end(collection, true);
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
  });

  it('has done what it was to do where there is no response', async () => {
    const { clock, intake, release } = createKit();
    const collection = release.open(undefined);
    const handles = addForEachEnd(new BackgroundTasks(intake, collection, true));
    release.begin(collection);
    release.leave(collection);
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
  });
});

describe('P4: a client that goes away', () => {
  it.each<[string, boolean, string[]]>([
    ['completes', true, SUCCESS],
    ['throws', false, FAILURE],
  ])('changes nothing: the handler %s, and that decides', async (_, hasSucceeded, expected) => {
    const { clock, collection, release, response, tasks } = createRequest();
    const handles = addForEachEnd(tasks);
    release.begin(collection);
    response.req.socket.destroy();
    response.destroy();
    await clock.advance(1000);
    expect(statuses(handles)).toEqual(['collected', 'collected', 'collected']);

    await release.end(collection, hasSucceeded);
    await clock.settle();
    expect(statuses(handles)).toEqual(expected);
  });

  it('does not keep the handler from adding more', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const first = tasks.addTask(() => undefined);
    release.begin(collection);
    response.req.socket.destroy();
    await clock.settle();
    const second = tasks.addTask(() => undefined);
    await release.end(collection, true);
    await clock.settle();
    expect(statuses([first, second])).toEqual(['completed', 'completed']);
  });

  it('does not take the first task, which the handler adds then, out of its hands', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    release.begin(collection);
    response.req.socket.destroy();
    response.destroy();
    await clock.settle();
    const handles = addForEachEnd(tasks);
    await clock.settle();
    expect(statuses(handles)).toEqual(['collected', 'collected', 'collected']);
    await release.end(collection, false);
    await clock.settle();
    expect(statuses(handles)).toEqual(FAILURE);
  });

  it('does not cancel what runs', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const handle = tasks.addTask(() => clock.sleep(100));
    release.begin(collection);
    await release.end(collection, true);
    response.answer();
    await clock.settle();
    response.req.socket.destroy();
    await clock.advance(100);
    expect(handle.status).toBe('completed');
  });
});

describe('P6: a request without a response to wait for', () => {
  it('is released with the handler’s end', async () => {
    const { clock, handle } = createKit();
    const body = jest.fn();
    await handle(async (tasks) => {
      tasks.addTask(body);
      await clock.advance(1000);
      expect(body).not.toHaveBeenCalled();
    });
    await clock.settle();
    expect(body).toHaveBeenCalledTimes(1);
  });

  it.each<[string, boolean, string[]]>([
    ['completed', false, SUCCESS],
    ['threw', true, FAILURE],
  ])('runs what is for a handler that %s', async (_, throws, expected) => {
    const { clock, handle } = createKit();
    let handles: TaskHandle[] = [];
    const answer = handle((tasks) => {
      handles = addForEachEnd(tasks);
      if (throws) {
        throw new Error('refused');
      }
    });
    await answer.catch(() => undefined);
    await clock.settle();
    expect(statuses(handles)).toEqual(expected);
  });
});

/** One of the resolvers of a request, each of which has an end of its own. */
const openResolver = () => {
  const request = createRequest();
  const { intake, collection, release } = request;
  const resolver = release.open(undefined, collection);
  return { ...request, resolver, resolverTasks: new BackgroundTasks(intake, resolver, true) };
};

describe('P6: a resolver among those that answer one request', () => {
  it('gives its tasks to the request when it has ended, which are decided by its own end', async () => {
    const { clock, collection, release, response, tasks, resolver, resolverTasks } = openResolver();
    const before = tasks.addTask(() => undefined);
    release.begin(resolver);
    const handles = addForEachEnd(resolverTasks);
    await release.end(resolver, false);
    await clock.settle();
    expect(statuses(handles)).toEqual(['dropped', 'collected', 'collected']);
    expect([...release.collected()].map(({ id }) => id)).toEqual([
      before.id,
      ...handles.slice(1).map(({ id }) => id),
    ]);
    release.begin(collection);
    await release.end(collection, true);
    response.answer();
    await clock.settle();
    expect(statuses([before, ...handles])).toEqual(['completed', ...FAILURE]);
  });

  it('adds to the request what it adds after its end', async () => {
    const { clock, collection, release, resolver, resolverTasks } = openResolver();
    release.begin(resolver);
    await release.end(resolver, true);
    const late = resolverTasks.addTask(() => undefined);
    await clock.settle();
    expect(collection.collected.map(({ id }) => id)).toEqual([late.id]);
  });

  it('runs its tasks at once where the request is over', async () => {
    const { clock, response, resolverTasks, release, resolver, tasks } = openResolver();
    tasks.addTask(() => undefined);
    release.begin(resolver);
    const handles = addForEachEnd(resolverTasks);
    response.answer();
    await clock.settle();
    expect(statuses(handles)).toEqual(['collected', 'collected', 'collected']);
    await release.end(resolver, true);
    await clock.settle();
    expect(statuses(handles)).toEqual(SUCCESS);
  });
});

describe('P2: a task that is added in the context of another request', () => {
  it('belongs to the request whose object was called, and shares its fate', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    const other = release.open(undefined);
    release.begin(collection);
    release.begin(other);
    // As a connection that both share calls back in the context of whoever caused it to.
    const handles = ambient.run(other, () => [
      tasks.addTask(() => undefined),
      tasks.chain().addTask(() => undefined),
    ]);
    expect(collection.collected.map(({ id }) => id)).toEqual(handles.map(({ id }) => id));
    expect(other.collected).toEqual([]);
    await release.end(other, false);
    await release.end(collection, true);
    response.answer();
    await clock.settle();
    expect(statuses(handles)).toEqual(['completed', 'completed']);
  });

  it('P5: is queued at once where the request whose object was called is over', async () => {
    const { clock, collection, release, response, tasks } = createRequest();
    release.begin(collection);
    await release.end(collection, true);
    response.answer();
    await clock.settle();
    const other = release.open(undefined);
    const late = ambient.run(other, () => tasks.addTask(() => undefined));
    expect([late.status, other.size]).toEqual(['queued', 0]);
  });

  it('P6: belongs to the resolver around the caller where that is of the same request', () => {
    const { collection, release, resolver, tasks } = openResolver();
    const inner = release.open(undefined, resolver);
    const ofResolver = ambient.run(resolver, () => tasks.addTask(() => undefined));
    const ofInner = ambient.run(inner, () => tasks.addTask(() => undefined));
    expect(resolver.collected.map(({ id }) => id)).toEqual([ofResolver.id]);
    expect(inner.collected.map(({ id }) => id)).toEqual([ofInner.id]);
    expect(collection.collected).toEqual([]);
  });

  it('P6: belongs to the resolver whose object was called, not to the one beside it', () => {
    const { collection, release, resolver, resolverTasks } = openResolver();
    const beside = release.open(undefined, collection);
    const added = ambient.run(beside, () => resolverTasks.addTask(() => undefined));
    expect(resolver.collected.map(({ id }) => id)).toEqual([added.id]);
    expect([beside.size, collection.size]).toEqual([0, 0]);
  });
});

describe('a collection', () => {
  it('is known by the application that it is of', () => {
    const { collection, release } = createRequest();
    expect(release.owns(collection)).toBe(true);
    expect(createKit().release.owns(collection)).toBe(false);
  });
});

describe('a request that adds no task', () => {
  it('costs no listener', async () => {
    const { collection, release, response } = createRequest();
    const names = response.eventNames();
    release.begin(collection);
    await release.end(collection, true);
    expect(response.eventNames()).toEqual(names);
    expect(response.req.socket.eventNames()).toEqual([]);
  });
});

describe('many responses that close at once', () => {
  it('are released together, in the order they closed', async () => {
    const kit = createKit();
    const ran: number[] = [];
    const responses = Array.from({ length: 20 }, (_, index) => {
      const response = new FakeResponse();
      const collection = kit.release.open(response);
      new BackgroundTasks(kit.intake, collection, true).addTask(() => ran.push(index));
      kit.release.begin(collection);
      void kit.release.end(collection, true);
      return response;
    });
    responses.toReversed().forEach((response) => response.req.socket.destroy());
    await kit.clock.settle();
    expect(ran).toEqual(responses.map((_, index) => index).toReversed());
  });
});

describe('the async context of a request', () => {
  it('is not that of its tasks: what they add is on its own', async () => {
    const { clock, handle, intake } = createKit();
    const contexts: unknown[] = [];
    await handle((tasks) => {
      contexts.push(ambient.getStore()?.kind);
      tasks.addTask(() => {
        contexts.push(ambient.getStore()?.kind, intake.collectionHere());
      });
    });
    await clock.settle();
    expect(contexts).toEqual(['request', 'task', undefined]);
  });
});
