/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import {
  Global,
  Inject,
  Injectable,
  Logger,
  Module,
  Scope,
  type OnModuleInit,
} from '@nestjs/common';
import { ContextIdFactory, LazyModuleLoader, ModuleRef } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Background, BackgroundTasksModule, currentTask } from '../../../lib/index.js';
import { Application } from '../../../lib/intake/application.js';
import { createApp } from '../support/app.js';

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

function labelled(label: string): Mailer {
  return Object.assign(new Mailer(), { label });
}

const start = () => createApp({ providers: [Mailer] });

const callByHand = (): void => void labelled('by hand').send('Ann');

/** The names of the tasks added in a recording. */
const added = (events: readonly { type: string; name: string }[]) =>
  events.filter(({ type }) => type === 'added').map(({ name }) => name);

describe('R6, P21: a method is a task on an object that', () => {
  it('is still being constructed', async () => {
    @Injectable()
    class Greeter {
      constructor() {
        void this.greet();
      }

      @Background()
      async greet(): Promise<void> {
        ran.push(`greeted as ${currentTask().name || 'no task'}`);
      }
    }
    const { clock } = await createApp({ providers: [Greeter] });
    expect(ran).toEqual([]);
    await clock.settle();
    expect(ran).toEqual(['greeted as Greeter.greet']);
  });

  it('an asynchronous factory has made', async () => {
    const { clock } = await createApp({
      providers: [
        {
          provide: 'mailer',
          useFactory: async () => {
            const mailer = labelled('factory');
            await mailer.send('Ann');
            return mailer;
          },
        },
      ],
    });
    await clock.settle();
    expect(ran).toEqual(['factory: Ann as Mailer.send']);
  });

  it.each(['before', 'after'])(
    'calls it in onModuleInit() of a global module listed %s ours',
    async (place) => {
      @Global()
      @Module({ providers: [Mailer], exports: [Mailer] })
      class MailModule implements OnModuleInit {
        constructor(private readonly mailer: Mailer) {}
        async onModuleInit(): Promise<void> {
          await this.mailer.send('Ann');
        }
      }
      const ours = BackgroundTasksModule.forRoot();
      const module = await Test.createTestingModule({
        imports: place === 'before' ? [MailModule, ours] : [ours, MailModule],
      }).compile();
      await module.init();
      await module.close();
      expect(ran).toEqual(['injected: Ann as Mailer.send']);
    },
  );

  it('is resolved later, outside of any request', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Reports extends Mailer {}
    const { clock, module } = await createApp({ providers: [Reports] });
    const reports = await module.resolve(Reports, ContextIdFactory.create());
    reports.label = 'resolved';
    await reports.send('Ann');
    expect(ran).toEqual([]);
    await clock.settle();
    expect(ran).toEqual(['resolved: Ann as Reports.send']);
  });

  it('moduleRef.create() has made, of a class that is no provider', async () => {
    const { clock, module, record } = await createApp();
    const events = record();
    const mailer = await module.get(ModuleRef).create(Mailer);
    await mailer.send('Ann');
    expect(added(events)).toEqual(['Mailer.send']);
    await clock.settle();
    expect(ran).toEqual(['injected: Ann as Mailer.send']);
  });

  it('comes with a module that is loaded lazily, passed to addTask() as well', async () => {
    @Module({ providers: [Mailer] })
    class LateModule {}
    const { clock, module, runner } = await createApp();
    const late = await module.get(LazyModuleLoader).load(() => LateModule);
    const mailer = late.get(Mailer);
    runner.addTask(mailer.send, 'Ann');
    await mailer.send('Bob');
    await clock.settle();
    expect(ran.toSorted()).toEqual([
      'injected: Ann as Mailer.send',
      'injected: Bob as Mailer.send',
    ]);
  });

  it('stands behind a proxy, called on it or on what it hides', async () => {
    const { clock, module } = await createApp({
      providers: [
        Mailer,
        {
          provide: 'proxy',
          inject: [Mailer],
          useFactory: (mailer: Mailer) =>
            new Proxy(mailer, {
              get: (target, key) => {
                const value: unknown = Reflect.get(target, key);
                return typeof value === 'function' ? value.bind(target) : value;
              },
            }),
        },
      ],
    });
    await module.get<Mailer>('proxy').send('Ann');
    expect(ran).toEqual([]);
    await clock.settle();
    expect(ran).toEqual(['injected: Ann as Mailer.send']);
  });

  it('nobody but the caller has made, next to an application', async () => {
    const { clock } = await createApp({ providers: [Mailer] });
    await labelled('by hand').send('Ann');
    expect(ran).toEqual([]);
    await clock.settle();
    expect(ran).toEqual(['by hand: Ann as Mailer.send']);
  });
});

describe('P21: a call that comes before the application is open', () => {
  it('and turns out unacceptable fails the start', async () => {
    @Injectable()
    class Hasty {
      constructor() {
        void this.run();
      }

      @Background({ dedupe: { key: () => '' } })
      async run(): Promise<void> {
        // Never called.
      }
    }
    await expect(createApp({ providers: [Hasty] })).rejects.toMatchObject({
      code: 'BGT_INVALID_OPTION',
    });
  });

  it('keeps the order of the calls', async () => {
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

describe('P21: which application a call belongs to', () => {
  it('that whose container made the object, also from its constructor', async () => {
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

  it('that of the task around the call, of an object that neither made', async () => {
    const [one, other] = [await start(), await start()];
    const events = one.record();
    other.runner.addTask({ name: 'caller' }, () => labelled('by hand').send('Ann'));
    await other.clock.settle();
    expect(events).toEqual([]);
    expect(ran).toEqual(['by hand: Ann as Mailer.send']);
  });

  it('that of whose objects it is made', async () => {
    @Injectable()
    class Reports extends Mailer {
      constructor(private readonly mailer: Mailer) {
        super();
      }

      override toString(): string {
        return this.mailer.label;
      }
    }
    @Injectable()
    class Maker {
      constructor(readonly moduleRef: ModuleRef) {}
    }
    const setup = { providers: [Mailer, Maker] };
    const [one, other] = [await createApp(setup), await createApp(setup)];
    const [events, otherEvents] = [one.record(), other.record()];
    const reports = await other.module.get(Maker).moduleRef.create(Reports);
    await reports.send('Ann');
    expect([added(events), added(otherEvents)]).toEqual([[], ['Reports.send']]);
  });

  it('the only one that knows the class', async () => {
    await createApp();
    const { clock, record } = await start();
    const events = record();
    await labelled('by hand').send('Ann');
    await clock.settle();
    expect(added(events)).toEqual(['Mailer.send']);
  });

  it('none that has closed', async () => {
    const [one, { clock, record }] = [await start(), await start()];
    const closing = one.module.close();
    await one.clock.advance(1e6);
    await closing;
    const events = record();
    await labelled('by hand').send('Ann');
    await clock.settle();
    expect(added(events)).toEqual(['Mailer.send']);
  });

  it('none in silence where it may be any of several', async () => {
    await start();
    await start();
    expect(callByHand).toThrow(expect.objectContaining({ code: 'BGT_BACKGROUND_METHOD' }));
    expect(callByHand).toThrow(
      /2 applications of this process may be meant: RootTestModule, RootTest/,
    );
    expect(ran).toEqual([]);
  });

  it('none that has not started', async () => {
    @Injectable()
    class Broken {
      @Background({ queue: 'none' })
      run(): void {
        // Never called.
      }
    }
    await expect(createApp({ providers: [Mailer, Broken] })).rejects.toThrow('unknown queue');
    await labelled('by hand').send('Ann');
    expect(ran).toEqual(['by hand: Ann as no task']);
  });
});

describe('P21: without an application', () => {
  it('a method runs at once, which is said once outside of tests', async () => {
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

  it('an application that was only put together, and never started, keeps its calls', async () => {
    const module = await Test.createTestingModule({
      imports: [BackgroundTasksModule.forRoot()],
      providers: [Mailer],
    }).compile();
    await module.get(Mailer).send('Ann');
    expect(ran).toEqual([]);
    module.get(Application).leave();
  });
});
