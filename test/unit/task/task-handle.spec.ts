import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { instanceToPlain } from 'class-transformer';
import { BackgroundTasks, QueueFullError, TaskRunner } from '../../../lib/index.js';
import { createApp } from '../support/app.js';

/** As a tracer or an `instanceDecorator` puts it around an object. */
const proxied = <T extends object>(target: T): T =>
  new Proxy(target, { get: (...args) => Reflect.get(...args) as unknown });

describe('R3, P20: a Proxy around', () => {
  it('a handle is as good as the handle', async () => {
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

  it('whatever else is handed out shows plain data, and throws nowhere', async () => {
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
