import { describe, expect, it } from '@jest/globals';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { type TaskDefinition, TaskRegistry } from '../../../lib/task/task-registry.js';
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

class Mailer {
  send(): void {}
}
// oxlint-disable-next-line typescript/unbound-method -- it is looked up, never called
const { send } = Mailer.prototype;

function definition(given: Partial<TaskDefinition> = {}): TaskDefinition {
  return {
    name: 'Mailer.send',
    type: Mailer,
    member: 'Mailer.send',
    method: send,
    declared: undefined,
    settings: new ResolvedOptions({}).forTask(undefined, undefined),
    isProvided: true,
    isStored: false,
    needsRequest: false,
    inPlace: () => [],
    resolveTarget: () => Promise.resolve(new Mailer()),
    ...given,
  };
}

describe('the registry of tasks', () => {
  class Namesake {
    readonly isOther = true;
  }
  const namesake = { type: Namesake, method: () => undefined };

  it.each<[string, Partial<TaskDefinition>, Partial<TaskDefinition>]>([
    ['a store goes by the first', { isStored: true }, {}],
    ['a store goes by the second', {}, { isStored: true }],
    ['one was given it', {}, { declared: { name: 'Mailer.send' } }],
  ])('O18: refuses two tasks of one name: %s', (_, one, other) => {
    const registry = new TaskRegistry();
    registry.register(definition(one));
    expect(() => registry.register(definition({ ...namesake, ...other }))).toThrow(
      expect.objectContaining({ code: 'BGT_DUPLICATE_TASK_NAME' }),
    );
  });
});
