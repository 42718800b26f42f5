import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { TaskHandle } from '../../../lib/index.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { type TaskDefinition, TaskRegistry } from '../../../lib/task/task-registry.js';
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

class Mailer {
  send(): void {
    // Never called.
  }
}
class BulkMailer extends Mailer {}
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

const inherited = definition({
  name: 'BulkMailer.send',
  member: 'BulkMailer.send',
  type: BulkMailer,
});

describe('the registry of tasks', () => {
  it('finds a task by its name, by its method, and by a call of that', () => {
    const registry = new TaskRegistry();
    const mail = definition();
    registry.register(mail);
    expect(registry.get('Mailer.send')).toBe(mail);
    expect(registry.ofMethod(mail.method, mail.member)).toBe(mail);
    expect(registry.ofCall(mail.method, mail.member, new Mailer())).toBe(mail);
  });

  it('knows nothing it was not told', () => {
    const registry = new TaskRegistry();
    registry.register(definition());
    expect(registry.get('Mailer.sent')).toBeUndefined();
    for (const find of [
      () => registry.ofCall(() => undefined, 'Mailer.other', new Mailer()),
      () => registry.ofCall(send, 'BulkMailer.send', new BulkMailer()),
    ]) {
      expect(find).toThrow(expect.objectContaining({ code: 'BGT_UNKNOWN_TASK' }));
    }
  });

  it('takes the same method of the same class twice as one', () => {
    const registry = new TaskRegistry();
    const mail = definition();
    registry.register(mail);
    registry.register(definition());
    expect(registry.get('Mailer.send')).toBe(mail);
    expect(registry.ofMethod(mail.method, mail.member)).toBe(mail);
  });

  it('refuses two methods of one name', () => {
    const registry = new TaskRegistry();
    registry.register(definition({ name: 'send', isStored: true }));
    const add = () =>
      registry.register(
        definition({ name: 'send', member: 'Other.send', method: () => undefined }),
      );
    expect(add).toThrow(
      'Two @Background() methods are named "send": Mailer.send and Other.send. ' +
        'Give one of them a name of its own: @Background({ name: "…" }).',
    );
    expect(add).toThrow(
      expect.objectContaining({ code: 'BGT_DUPLICATE_TASK_NAME', taskName: 'send' }),
    );
  });

  class Namesake {
    readonly isOther = true;
  }
  const namesake = { type: Namesake, method: () => undefined };

  it('O18: takes two classes of one name in memory', () => {
    const registry = new TaskRegistry();
    const [first, second] = [definition(), definition(namesake)];
    registry.register(first);
    registry.register(second);
    expect(registry.ofCall(second.method, 'Mailer.send', new Namesake())).toBe(second);
    expect(registry.get('Mailer.send')).toBe(first);
  });

  it.each<[string, Partial<TaskDefinition>, Partial<TaskDefinition>]>([
    ['a store goes by the first', { isStored: true }, {}],
    ['a store goes by the second', {}, { isStored: true }],
    ['one was given it', {}, { declared: { name: 'Mailer.send' } }],
  ])('O18: refuses two of one name of which %s', (_, one, other) => {
    const registry = new TaskRegistry();
    registry.register(definition(one));
    expect(() => registry.register(definition({ ...namesake, ...other }))).toThrow(
      expect.objectContaining({ code: 'BGT_DUPLICATE_TASK_NAME' }),
    );
  });

  it('tells a method and the subclass’s inherited one apart', () => {
    const registry = new TaskRegistry();
    const mail = definition();
    registry.register(mail);
    registry.register(inherited);
    expect(registry.ofCall(mail.method, mail.member, new Mailer())).toBe(mail);
    expect(registry.ofCall(mail.method, mail.member, new BulkMailer())).toBe(inherited);
  });

  it('does not guess between the two where only the method is given', () => {
    const registry = new TaskRegistry();
    registry.register(definition());
    registry.register(inherited);
    const find = () => registry.ofMethod(send, 'Mailer.send');
    expect(find).toThrow(
      '"Mailer.send" is a @Background() method of several providers (Mailer.send, ' +
        'BulkMailer.send), and the function alone does not ' +
        'tell which one is meant. Call the method on its provider instead.',
    );
    expect(find).toThrow(expect.objectContaining({ code: 'BGT_AMBIGUOUS_TASK' }));
  });

  it('refuses a method it does not know', () => {
    const registry = new TaskRegistry();
    const find = () => registry.ofMethod(send, 'Mailer.send');
    expect(find).toThrow(
      'No @Background() method named "Mailer.send" is known to this application. ' +
        'Is its class listed as a provider?',
    );
    expect(find).toThrow(expect.objectContaining({ code: 'BGT_UNKNOWN_TASK' }));
  });
});
