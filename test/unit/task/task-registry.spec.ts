import { describe, expect, it } from '@jest/globals';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { TaskRegistry, type TaskDefinition } from '../../../lib/task/task-registry.js';

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
        'BulkMailer.send), so addTask() cannot tell which one is meant. Call the method on its ' +
        'provider instead.',
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
