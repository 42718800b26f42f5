/* oxlint-disable typescript/unbound-method -- that is the point of these tests */
import { Injectable, Scope } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Background, currentTask } from '../../../lib/index.js';
import { besideAnotherCopy } from '../support/another-copy.js';
import { createApp } from '../support/app.js';
import { added } from '../support/tasks.js';

const ran: string[] = [];
afterEach(() => void ran.splice(0));

@Injectable()
class Mailer {
  private readonly sender = 'postmaster';

  @Background({ retry: { attempts: 2 } })
  async send(to: string, index = 0): Promise<void> {
    const { name, maxAttempts } = currentTask();
    ran.push(`${this.sender} to ${to} ${index} as ${name} of ${maxAttempts}`);
  }
}

/** A decorator that puts a function of its own in the method's place. */
const around: MethodDecorator = (_target, _key, descriptor) => {
  const own = descriptor.value as unknown as (...args: unknown[]) => unknown;
  const wrapped = function (this: unknown, ...args: unknown[]): unknown {
    return own.apply(this, args);
  };
  return { ...descriptor, value: wrapped as never };
};

/** As another copy, at another place, would have left it. */
function ofAnotherCopy(): typeof Mailer {
  class Foreign extends Mailer {}
  const key = Symbol.for('nestjs-background-tasks:background');
  const listed = (Mailer.prototype as unknown as Record<symbol, Map<string, object>>)[key];
  const entry = {
    ...listed?.get('send'),
    copy: '/app/node_modules/lib-a/node_modules/nestjs-background-tasks/dist',
  };
  const method = jest.fn();
  Object.defineProperty(method, key, { value: entry });
  Object.defineProperty(Foreign.prototype, 'send', { value: method, configurable: true });
  Object.defineProperty(Foreign.prototype, key, { value: new Map([['send', entry]]) });
  return Foreign;
}
const AS_TASK = 'postmaster to Ann 0 as Mailer.send of 2';

async function startWithMailer() {
  const app = await createApp({ providers: [Mailer] });
  return { ...app, mailer: app.module.get(Mailer), events: app.record() };
}

it('R8: a method that was taken off its object is a task of its provider', async () => {
  const { clock, mailer, events } = await startWithMailer();
  await Promise.all(['Ann', 'Bob'].map(mailer.send));
  await clock.settle();
  expect(ran).toEqual([AS_TASK, 'postmaster to Bob 1 as Mailer.send of 2']);
  expect(added(events)).toHaveLength(2);
});

describe('R8: one task is made of', () => {
  it('a bound copy, with what it was bound to', async () => {
    const { clock, mailer, events, runner } = await startWithMailer();
    const other = Object.assign(new Mailer(), { sender: 'other' });
    runner.addTask(mailer.send.bind(mailer), 'Ann');
    runner.addTask(mailer.send.bind(other, 'Bob'), 5);
    await mailer.send.bind(mailer)('Cid');
    await clock.settle();
    expect(ran.toSorted()).toEqual([
      'other to Bob 5 as Mailer.send of 2',
      AS_TASK,
      'postmaster to Cid 0 as Mailer.send of 2',
    ]);
    expect(added(events)).toHaveLength(3);
  });

  it('a spy that calls through, on the provider or on its class', async () => {
    const { clock, mailer, events, runner } = await startWithMailer();
    const spy = jest.spyOn(mailer, 'send');
    runner.addTask(mailer.send, 'Ann');
    await clock.settle();
    expect(spy).toHaveBeenCalledTimes(1);
    await mailer.send('Bob');
    await clock.settle();
    spy.mockRestore();
    const ofClass = jest.spyOn(Mailer.prototype, 'send');
    runner.addTask(mailer.send, 'Cid');
    await clock.settle();
    ofClass.mockRestore();
    expect(ran).toEqual([
      AS_TASK,
      'postmaster to Bob 0 as Mailer.send of 2',
      'postmaster to Cid 0 as Mailer.send of 2',
    ]);
    expect(added(events)).toEqual(['Mailer.send', 'Mailer.send', 'Mailer.send']);
  });

  it('a mock, which is called in place of the method, on every attempt', async () => {
    const { clock, mailer, runner } = await startWithMailer();
    const mock = jest.spyOn(mailer, 'send').mockRejectedValueOnce(new Error('once'));
    mock.mockResolvedValueOnce(undefined);
    const handle = runner.addTask(mailer.send, 'Ann');
    await clock.advance(1e6);
    expect(await handle.whenSettled()).toMatchObject({ status: 'completed', attempts: 2 });
    expect(mock.mock.contexts).toEqual([mailer, mailer]);
    expect(ran).toEqual([]);
  });
});

describe('R7: a method that is passed without its object', () => {
  class LoudMailer extends Mailer {
    override async send(to: string): Promise<void> {
      await super.send(to.toUpperCase());
    }
  }

  it.each([
    ['has another class', (mailer: Mailer) => mailer.send.bind({ sender: 'no' })],
    ['overrides it', (mailer: Mailer) => mailer.send.bind(new LoudMailer())],
  ])('is refused if it is bound to an object that %s', async (_what, bind) => {
    const { runner, mailer } = await startWithMailer();
    expect(() => runner.addTask(bind(mailer), 'Ann')).toThrow(
      '@Background() on Mailer.send: it is bound to an object that does not have it, or overrides it.',
    );
  });

  it.each([
    ['its class alone', [LoudMailer]],
    ['both classes', [Mailer, LoudMailer]],
    ['a class of its class', [class extends LoudMailer {}]],
    [
      'its class for a request',
      [{ provide: LoudMailer, useClass: LoudMailer, scope: Scope.REQUEST }],
    ],
  ])(
    'is refused if it overrides a task without the decorator, with %s as providers',
    async (_, providers) => {
      const { clock, runner, record } = await createApp({ providers });
      const events = record();
      const { send } = LoudMailer.prototype;
      expect(() => runner.addTask(send, 'Ann')).toThrow(
        '@Background() on Mailer.send: the function passed overrides it without the decorator',
      );
      const loud = new LoudMailer();
      runner.addTask(() => loud.send('Bob'));
      await clock.settle();
      expect(added(events)).toEqual(['anonymous']);
      expect(ran).toEqual(['postmaster to BOB 0 as anonymous of 1']);
    },
  );

  it('is found although a mixin put it on a derived class, too', async () => {
    @Injectable()
    class Base {
      @around
      @Background()
      async send(to: string): Promise<void> {
        ran.push(`${currentTask().name} to ${to}`);
      }
    }
    @Injectable()
    class Derived extends Base {}
    Object.defineProperty(Derived.prototype, 'send', { value: Base.prototype.send });
    const { clock, runner } = await createApp({ providers: [Base, Derived] });
    runner.addTask(Base.prototype.send, 'Ann');
    await clock.settle();
    expect(ran).toEqual(['Base.send to Ann']);
  });
});

describe('R8: two copies of the package in one process', () => {
  const BOTH = /two copies of nestjs-background-tasks.*lib-a\/node_modules.*\/lib\b/;

  it('are named at the start, and if a method of the other copy is passed to addTask()', async () => {
    await expect(createApp({ providers: [ofAnotherCopy()] })).rejects.toThrow(BOTH);
    const { runner } = await createApp();
    expect(() => runner.addTask(ofAnotherCopy().prototype.send, 'Ann')).toThrow(BOTH);
  });

  it('are named if a method is called while the other copy has the application', async () => {
    await besideAnotherCopy(() => {
      expect(() => void new Mailer().send('Ann')).toThrow(/lib.*\/app\/other/);
    });
    expect(ran).toEqual([]);
  });
});
