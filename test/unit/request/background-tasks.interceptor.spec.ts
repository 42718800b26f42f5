import { describe, expect, it } from '@jest/globals';
import type { CallHandler, ExecutionContext } from '@nestjs/common';
import { concatMap, lastValueFrom, of, throwError, type Observable } from 'rxjs';
import type { Collection } from '../../../lib/intake/collection.js';
import { attachCollection, attachedCollection } from '../../../lib/intake/find-collection.js';
import { BackgroundTasks, type TaskHandle } from '../../../lib/index.js';
import { BackgroundTasksInterceptor } from '../../../lib/request/background-tasks.interceptor.js';
import { ambient } from '../../../lib/task/ambient.js';
import { FakeResponse } from '../support/fake-response.js';
import { createKit } from '../support/kit.js';

function contextOf(type: string, ...args: unknown[]): ExecutionContext {
  return { getType: () => type, getArgs: () => args } as unknown as ExecutionContext;
}

/** A handler, and the collection that it finds around it. */
function handler(result: () => Observable<unknown> = () => of('answer')) {
  const seen: (Collection | undefined)[] = [];
  const next: CallHandler = {
    handle: () => {
      seen.push(ambient.getStore() as Collection | undefined);
      return result();
    },
  };
  return { seen, next };
}

function createInterceptor() {
  const kit = createKit();
  return { ...kit, interceptor: new BackgroundTasksInterceptor(kit.release) };
}

describe('the interceptor', () => {
  it('P3: decides a request’s tasks by the end of its handler', async () => {
    for (const [end, statuses] of [
      [() => of('answer'), ['completed', 'dropped']],
      [() => throwError(() => new Error('no')), ['dropped', 'completed']],
    ] as const) {
      const { clock, interceptor, intake, release } = createInterceptor();
      const response = new FakeResponse();
      const request = {};
      const collection = release.open(response);
      attachCollection(request, collection);
      const tasks = new BackgroundTasks(intake, collection, true);
      const handles = (['success', 'failure'] as const).map((when) =>
        tasks.addTask({ when }, () => undefined),
      );
      const { next } = handler(end);
      const answer = interceptor.intercept(contextOf('http', request, response), next);
      await lastValueFrom(answer).catch(() => undefined);
      response.answer();
      await clock.settle();
      expect(handles.map(({ status }) => status)).toEqual(statuses);
    }
  });

  it('P7: brings back the context of a request that has lost it', async () => {
    const { interceptor, release } = createInterceptor();
    const request = {};
    const collection = release.open(new FakeResponse());
    attachCollection(request, collection);
    const { next, seen } = handler();
    await lastValueFrom(interceptor.intercept(contextOf('http', request, {}), next));
    expect(seen).toEqual([collection]);
  });

  it('opens a request that came by no hook, with its response', async () => {
    const { clock, interceptor, intake } = createInterceptor();
    const response = new FakeResponse();
    const request = {};
    const { next, seen } = handler();
    const answer = interceptor.intercept(contextOf('http', request, response), next);
    const opened = attachedCollection(request) as Collection;
    expect(opened.response).toBe(response);
    const handle = new BackgroundTasks(intake, opened, true).addTask(() => undefined);
    await lastValueFrom(answer);
    await clock.settle();
    expect([seen, handle.status]).toEqual([[opened], 'collected']);
    response.answer();
    await clock.settle();
    expect(handle.status).toBe('completed');
  });

  it('opens one of its own where the request is another application’s', () => {
    const { interceptor, release } = createInterceptor();
    const request = {};
    const foreign = createKit().release.open(new FakeResponse());
    attachCollection(request, foreign);
    interceptor.intercept(contextOf('http', request, new FakeResponse()), handler().next);
    const opened = attachedCollection(request) as Collection;
    expect([opened === foreign, release.owns(opened)]).toEqual([false, true]);
  });

  it('leaves a request to the one around it: what fails in between drops the tasks', async () => {
    const { interceptor, intake, release } = createInterceptor();
    const request = {};
    const collection = release.open(new FakeResponse());
    attachCollection(request, collection);
    const task = new BackgroundTasks(intake, collection, true).addTask(() => undefined);
    const context = contextOf('http', request, {});
    const { next, seen } = handler();
    const failing = handler(() =>
      interceptor
        .intercept(context, next)
        .pipe(concatMap(() => throwError(() => new Error('not committed')))),
    );
    const answer = interceptor.intercept(context, failing.next);
    await expect(lastValueFrom(answer)).rejects.toThrow('not committed');
    expect(seen).toEqual([collection]);
    expect(task.status).toBe('dropped');
  });

  it('P6: opens a collection for each message, and knows which it is inside of', async () => {
    const { interceptor } = createInterceptor();
    const context = contextOf('rpc', { id: 1 }, {});
    const inner = handler();
    const outer = handler(() => interceptor.intercept(context, inner.next));
    await lastValueFrom(interceptor.intercept(context, outer.next));
    const [around] = outer.seen;
    const [within] = inner.seen;
    expect(within?.parent).toBe(around);
    expect([around?.parent, around?.response]).toEqual([undefined, undefined]);
  });

  it('P6: releases the tasks of a message when its handler has ended', async () => {
    const { clock, interceptor, intake } = createInterceptor();
    let handle: TaskHandle | undefined;
    const { next } = handler(() => {
      const collection = ambient.getStore() as Collection;
      handle = new BackgroundTasks(intake, collection, true).addTask(() => undefined);
      return of('answer');
    });
    const answer = interceptor.intercept(contextOf('rpc', { id: 1 }, {}), next);
    expect(handle).toBeUndefined();
    await lastValueFrom(answer);
    await clock.settle();
    expect(handle?.status).toBe('completed');
  });

  it('does not take a message for a request that is attached to it', async () => {
    const { interceptor, release } = createInterceptor();
    const message = {};
    attachCollection(message, release.open(new FakeResponse()));
    const { next, seen } = handler();
    await lastValueFrom(interceptor.intercept(contextOf('ws', message, {}), next));
    expect(seen[0]?.parent).toBeUndefined();
  });

  it('is not there for an application without the module', async () => {
    const { next, seen } = handler();
    const answer = new BackgroundTasksInterceptor(undefined).intercept(contextOf('http', {}), next);
    expect(await lastValueFrom(answer)).toBe('answer');
    expect(seen).toEqual([undefined]);
  });
});
