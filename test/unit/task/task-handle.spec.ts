import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { instanceToInstance, instanceToPlain, plainToInstance } from 'class-transformer';
import { validate } from 'class-validator';
import { BackgroundTasks, QueueFullError, TaskRunner } from '../../../lib/index.js';
import { createApp } from '../support/app.js';

/** As a tracer or an `instanceDecorator` puts it around an object. */
const proxied = <T extends object>(target: T): T =>
  new Proxy(target, { get: (...args) => Reflect.get(...args) as unknown });

describe('R3, P20: a Proxy around', () => {
  it('a handle behaves as the handle', async () => {
    const { runner, clock } = await createApp();
    const handle = proxied(runner.addTask({ name: 'mail' }, () => undefined));
    const data = { id: expect.any(String), name: 'mail', queue: 'default', status: 'queued' };
    expect(JSON.parse(JSON.stringify(handle))).toEqual(data);
    expect(instanceToPlain(handle)).toEqual(data);
    expect(Object.assign({}, handle)).toEqual(data);
    expect(structuredClone(Object.assign({}, handle))).toEqual(data);
    expect(inspect(handle, { showProxy: false })).toContain("name: 'mail'");
    expect(await handle.cancel()).toBe(true);
    expect(await handle.whenSettled()).toMatchObject({ status: 'cancelled' });
    await clock.settle();
  });

  it('a chain or a transaction behaves as the original', async () => {
    const { runner, clock } = await createApp();
    const chain = proxied(runner.chain());
    const handles = [1, 2].map(() => chain.addTask({ delay: '1s' }, () => undefined));
    await clock.settle();
    expect(handles.map(({ status }) => status)).toEqual(['delayed', 'queued']);
    // As a tracer does that puts something around each function that it comes upon.
    const traced = new Proxy(runner.chain(), {
      get: (...args) => {
        const value = Reflect.get(...args) as unknown;
        return typeof value === 'function'
          ? function (this: unknown, ...given: unknown[]): unknown {
              return Reflect.apply(value, this, given);
            }
          : value;
      },
    });
    expect(traced.addTask(() => undefined).status).toBe('queued');
    const within = proxied(runner.using({ query: () => Promise.resolve() }));
    await expect(within.addTask(() => undefined)).rejects.toMatchObject({
      code: 'BGT_TRANSACTION',
    });
    await clock.advance(2_000);
  });

  it('any other object of the library shows plain data, and throws nowhere', async () => {
    const { runner, clock, record, handle, module } = await createApp();
    const events = record();
    runner.addTask(() => Promise.reject(new Error('no')));
    await handle((tasks) => void proxied(tasks).addTask(() => undefined));
    await clock.settle();
    const infos = await proxied(runner).list();
    expect(infos).toHaveLength(2);
    const all = [
      runner,
      await module.resolve(BackgroundTasks),
      module.get(TaskRunner),
      runner.chain(),
      runner.using({ query: () => Promise.resolve() }),
      new QueueFullError('mails', 1),
      ...infos,
      ...events,
      await runner.stats(),
    ].map(proxied);
    for (const each of all) {
      expect(() => [JSON.stringify(each), instanceToPlain(each), inspect(each)]).not.toThrow();
      expect(() => structuredClone(Object.assign({}, each, { error: undefined }))).not.toThrow();
    }
  });
});

describe('R3, P20: a handle within', () => {
  class View {
    task: unknown;
  }

  it('an answer that is made an instance of another class is its data', async () => {
    const { runner, clock } = await createApp();
    const task = runner.addTask({ name: 'mail' }, () => undefined);
    const data = { id: task.id, name: 'mail', queue: 'default', status: 'queued' };
    // As ClassSerializerInterceptor does it with @SerializeOptions({ type: View }).
    expect(instanceToPlain(plainToInstance(View, { task }))).toEqual({ task: data });
    expect(instanceToPlain(instanceToInstance(task))).toEqual(data);
    expect(JSON.stringify(instanceToInstance(task))).toEqual(JSON.stringify(data));
    await clock.settle();
  });

  it('what is validated loses what has no rule, as any other object does', async () => {
    const { runner, clock } = await createApp();
    const task = runner.addTask(() => undefined);
    await validate(task, { whitelist: true, forbidUnknownValues: false });
    expect(Object.keys(task)).toEqual([]);
    await clock.settle();
    expect(await task.whenSettled()).toMatchObject({ status: 'completed' });
  });
});
