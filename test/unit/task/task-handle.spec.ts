import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { TaskHandle } from '../../../lib/index.js';
import { createKit } from '../support/kit.js';

function sendMail(): void {
  // Never called.
}

describe('a task handle', () => {
  it('tells id, name and queue', () => {
    const { runner } = createKit({ queues: { mails: {} } });
    const handle = runner.addTask({ name: 'welcome', queue: 'mails' }, () => undefined);
    expect(handle).toBeInstanceOf(TaskHandle);
    expect({ name: handle.name, queue: handle.queue }).toEqual({ name: 'welcome', queue: 'mails' });
    expect(handle.id).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
    expect(handle.id).toBe(handle.id);
  });

  it('is logged in a line, without what the task holds', () => {
    const { runner } = createKit();
    const handle = runner.addTask(sendMail);
    expect(inspect(handle, { breakLength: Number.POSITIVE_INFINITY })).toBe(
      `{ id: '${handle.id}', name: 'sendMail', queue: 'default', status: 'queued' }`,
    );
  });

  it('is sent and logged as JSON without what the task holds', () => {
    const { runner } = createKit();
    const handle = runner.addTask({ name: 'welcome' }, (_secret: string) => undefined, 'secret');
    expect(JSON.parse(JSON.stringify({ handle }))).toEqual({
      handle: { id: handle.id, name: 'welcome', queue: 'default', status: 'queued' },
    });
  });

  it('R3: is data for what walks through objects', () => {
    const { runner } = createKit();
    const handle = runner.addTask({ name: 'welcome' }, () => undefined);
    const data = { id: handle.id, name: 'welcome', queue: 'default', status: 'queued' };
    expect(structuredClone(handle)).toEqual(data);
    expect(Object.keys(handle)).toEqual(['id', 'name', 'queue', 'status']);
  });

  it('has an id of its own', () => {
    const { runner } = createKit();
    const ids = Array.from({ length: 100 }, () => runner.addTask(() => undefined).id);
    expect(new Set(ids).size).toBe(100);
  });

  it('is named after the function where it has no name', () => {
    const { runner } = createKit();
    expect(runner.addTask(sendMail).name).toBe('sendMail');
    expect(runner.addTask(sendMail.bind(undefined)).name).toBe('sendMail');
    expect(runner.addTask(() => undefined).name).toBe('anonymous');
  });

  it('follows the task through its states', async () => {
    const { clock, runner } = createKit();
    const seen: string[] = [];
    let failures = 1;
    const handle: TaskHandle = runner.addTask(
      { delay: '1s', retry: { attempts: 2, delay: '1s', jitter: 'none' } },
      () => {
        seen.push(handle.status);
        if (failures-- > 0) {
          throw new Error('once');
        }
      },
    );
    seen.push(handle.status);
    await clock.advance(1000);
    seen.push(handle.status);
    await clock.advance(1000);
    seen.push(handle.status);
    expect(seen).toEqual(['delayed', 'running', 'retrying', 'running', 'completed']);
  });

  it('resolves everybody who waits, before and after, to one outcome', async () => {
    const { clock, runner } = createKit();
    const handle = runner.addTask(() => clock.sleep(5));
    const before = [handle.whenSettled(), handle.whenSettled()];
    await clock.advance(5);
    const [outcome, ...others] = await Promise.all([...before, handle.whenSettled()]);
    expect(outcome).toEqual({ status: 'completed', attempts: 1, durationMs: 5 });
    expect(others.every((other) => other === outcome)).toBe(true);
  });

  it('tells whoever waited only once the task is recorded as settled', async () => {
    const { clock, runner } = createKit();
    const handle = runner.addTask(() => Promise.reject(new Error('no')));
    const status = handle.whenSettled().then(() => handle.status);
    await clock.settle();
    expect(await status).toBe('failed');
  });
});
