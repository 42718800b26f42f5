/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import {
  Controller,
  Inject,
  Injectable,
  Logger,
  UseGuards,
  type ModuleMetadata,
} from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Background, currentTask } from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { added } from '../support/tasks.js';

/** Each line names the object's label, and the task that it ran in. */
const ran: string[] = [];
afterEach(() => void ran.splice(0));

@Injectable()
class Mailer {
  label = 'injected';

  @Background()
  async send(to: string): Promise<void> {
    ran.push(`${this.label}: ${to} as ${currentTask().name || 'no task'}`);
  }
}

@Controller()
class Lacking {
  constructor(@Inject('x') readonly x: string) {}
}

@Controller()
@UseGuards(Lacking)
class Guarded {}

@Injectable()
class Throwing {
  constructor() {
    throw new Error('no x');
  }
}

const REJECTING = {
  provide: 'x',
  useFactory: async () => {
    await turnOfTheLoop();
    throw new Error('no x');
  },
};

function labelled(label: string): Mailer {
  return Object.assign(new Mailer(), { label });
}

const start = () => createApp({ providers: [Mailer] });

const callByHand = (): void => void labelled('by hand').send('Ann');

describe('P21: a call that comes before the application is open', () => {
  it('fails the start if it is refused', async () => {
    @Injectable()
    class Hasty {
      constructor() {
        void this.run();
      }

      @Background({ dedupe: { key: () => '' } })
      async run(): Promise<void> {}
    }
    await expect(createApp({ providers: [Hasty] })).rejects.toMatchObject({
      code: 'BGT_INVALID_OPTION',
    });
  });

  it('keeps its order among the calls', async () => {
    const mailer = labelled('hasty');
    const starting = createApp({
      providers: [{ provide: Mailer, useFactory: () => (void mailer.send('Ann'), mailer) }],
    });
    const { clock } = await starting;
    await mailer.send('Bob');
    await clock.settle();
    expect(ran).toEqual(['hasty: Ann as Mailer.send', 'hasty: Bob as Mailer.send']);
  });
});

describe('P21: a call belongs to the application', () => {
  it('whose container made the object, also in its constructor', async () => {
    @Injectable()
    class Greeter {
      constructor(@Inject('name') readonly name: string) {
        void this.greet();
      }

      @Background()
      async greet(): Promise<void> {
        ran.push(this.name);
      }
    }
    const [one, other] = [
      await createApp({ providers: [Greeter, { provide: 'name', useValue: 'one' }] }),
      await createApp({ providers: [Greeter, { provide: 'name', useValue: 'other' }] }),
    ];
    await one.clock.settle();
    expect(ran.splice(0)).toEqual(['one']);
    await other.clock.settle();
    expect(ran).toEqual(['other']);
  });

  it('whose container made the object, also in a request of another one, and waits for no answer', async () => {
    const [one, other] = [await start(), await start()];
    const events = one.record();
    await one.handle(async () => {
      await other.module.get(Mailer).send('Ann');
      await other.clock.settle();
      expect(ran).toEqual(['injected: Ann as Mailer.send']);
    });
    expect(events).toEqual([]);
  });

  it('of the task around the call, if no container made the object', async () => {
    const [one, other] = [await start(), await start()];
    const events = one.record();
    other.runner.addTask({ name: 'caller' }, () => labelled('by hand').send('Ann'));
    await other.clock.settle();
    expect(events).toEqual([]);
    expect(ran).toEqual(['by hand: Ann as Mailer.send']);
  });

  it('that alone knows the class', async () => {
    await createApp();
    const { clock, record } = await start();
    const events = record();
    await labelled('by hand').send('Ann');
    await clock.settle();
    expect(added(events)).toEqual(['Mailer.send']);
  });

  it('that has not closed', async () => {
    const [one, { clock, record }] = [await start(), await start()];
    const closing = one.module.close();
    await one.clock.advance(1e6);
    await closing;
    const events = record();
    await labelled('by hand').send('Ann');
    await clock.settle();
    expect(added(events)).toEqual(['Mailer.send']);
  });

  it.each<[string, ModuleMetadata]>([
    ['a constructor throws', { providers: [Throwing] }],
    ['a factory of a part rejects', { providers: [Lacking, REJECTING] }],
    ['a controller lacks a part', { controllers: [Lacking] }],
    ['a guard lacks a part', { controllers: [Guarded] }],
  ])('and to none that could not be made, because %s', async (_why, failing) => {
    await expect(createApp({ ...failing })).rejects.toThrow(/x/);
    await labelled('alone').send('Ann');
    expect(ran.splice(0)).toEqual(['alone: Ann as no task']);
    const { clock } = await start();
    await labelled('by hand').send('Bob');
    await clock.settle();
    expect(ran).toEqual(['by hand: Bob as Mailer.send']);
  });

  it('or is refused if several know the class', async () => {
    await start();
    await start();
    expect(callByHand).toThrow(expect.objectContaining({ code: 'BGT_BACKGROUND_METHOD' }));
    expect(callByHand).toThrow(
      /it could belong to 2 applications of this process: RootTestModule, RootTest/,
    );
    expect(ran).toEqual([]);
  });
});

it('P21: without an application a method runs at once, which is said once outside of tests', async () => {
  const { NODE_ENV, JEST_WORKER_ID } = process.env;
  const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
  Object.assign(process.env, { NODE_ENV: 'production' });
  delete process.env['JEST_WORKER_ID'];
  await new Mailer().send('Ann');
  await new Mailer().send('Bob');
  Object.assign(process.env, { NODE_ENV, JEST_WORKER_ID });
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn).toHaveBeenCalledWith(expect.stringContaining('Mailer.send() ran at once'));
  warn.mockRestore();
  expect(ran).toHaveLength(2);
});
