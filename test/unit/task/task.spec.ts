import { describe, expect, it } from '@jest/globals';
import { createKit } from '../support/kit.js';

function sendMail(): void {
  // Never called.
}

describe('a task handle', () => {
  it('R3: is plain data for code that walks through objects', () => {
    const { runner } = createKit();
    const handle = runner.addTask({ name: 'welcome' }, () => undefined);
    const data = { id: handle.id, name: 'welcome', queue: 'default', status: 'queued' };
    expect(structuredClone(handle)).toEqual(data);
    expect(Object.keys(handle)).toEqual(['id', 'name', 'queue', 'status']);
  });

  it('is named after its function if it has no name', () => {
    const { runner } = createKit();
    expect(runner.addTask(sendMail).name).toBe('sendMail');
    expect(runner.addTask(sendMail.bind(undefined)).name).toBe('sendMail');
    expect(runner.addTask(() => undefined).name).toBe('anonymous');
  });

  it('resolves all waits to one outcome', async () => {
    const { clock, runner } = createKit();
    const handle = runner.addTask(() => clock.sleep(5));
    const before = [handle.whenSettled(), handle.whenSettled()];
    await clock.advance(5);
    const [outcome, ...others] = await Promise.all([...before, handle.whenSettled()]);
    expect(outcome).toEqual({ status: 'completed', attempts: 1, durationMs: 5 });
    expect(others.every((other) => other === outcome)).toBe(true);
  });
});
