import {
  Inject,
  Injectable,
  Module,
  Scope,
  type DynamicModule,
  type ModuleMetadata,
} from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { journal } from '../../../lib/engine/journal/index.js';
import { Background, currentTask, type BackgroundOptions } from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { added } from '../support/tasks.js';

const reporters: object[] = [];

/** Each time another class of the same name. */
function declareReports(options: BackgroundOptions = {}) {
  @Injectable()
  class Reports {
    @Background(options)
    send(): void {
      reporters.push(this);
    }
  }
  return Reports;
}

describe('at start-up', () => {
  it('P16: two tasks of one name are refused', async () => {
    @Injectable()
    class Invoices {
      @Background({ name: 'send' })
      sendInvoice(): void {}
    }
    @Injectable()
    class Letters {
      @Background({ name: 'send' })
      sendLetter(): void {}
    }
    await expect(createApp({ providers: [Invoices, Letters] })).rejects.toMatchObject({
      code: 'BGT_DUPLICATE_TASK_NAME',
      message:
        'Two @Background() methods are named "send": Invoices.sendInvoice and ' +
        'Letters.sendLetter. Give one of them a name of its own: @Background({ name: "…" }).',
    });
  });

  it.each<[string, BackgroundOptions, BackgroundOptions]>([
    ['a store goes by the first', { queue: 'mails' }, {}],
    ['a store goes by the second', {}, { queue: 'mails' }],
    ['one was given it', {}, { name: 'Reports.send' }],
  ])('O18: two tasks of one name are refused where %s', async (_where, one, other) => {
    const providers = [declareReports(one), declareReports(other)];
    const queues = { mails: { engine: journal({ path: '/dev/null/never-opened' }) } };
    await expect(createApp({ providers }, { queues })).rejects.toMatchObject({
      code: 'BGT_DUPLICATE_TASK_NAME',
    });
  });

  it('O18: two classes of one name in memory are two tasks, as a bundler may name them alike', async () => {
    const [One, Other] = [declareReports(), declareReports()];
    const { clock, module, record, runner } = await createApp({ providers: [One, Other] });
    const events = record();
    module.get(One).send();
    // oxlint-disable-next-line typescript/unbound-method -- a @Background() method may be passed unbound
    runner.addTask(module.get(Other).send);
    await clock.settle();
    expect(added(events)).toEqual(['Reports.send', 'Reports.send']);
    expect(reporters).toEqual([module.get(One), module.get(Other)]);
  });
});

describe('R7: a class of which the container makes objects that differ', () => {
  @Injectable()
  class Sender {
    constructor(@Inject('tenant') readonly tenant: string) {}

    @Background({ queue: 'mails' })
    async send(): Promise<void> {
      ran.push(`for ${this.tenant}`);
    }
  }
  const ran: string[] = [];

  /** A dynamic module, imported twice. */
  @Module({})
  class SenderModule {
    static for(tenant: string): DynamicModule {
      return {
        module: SenderModule,
        providers: [
          Sender,
          { provide: 'tenant', useValue: tenant },
          { provide: tenant, useExisting: Sender },
        ],
        exports: [tenant],
      };
    }
  }

  const WAYS: [string, ModuleMetadata][] = [
    [
      'by factories',
      {
        providers: ['one', 'other'].map((tenant) => ({
          provide: tenant,
          useFactory: () => new Sender(tenant),
        })),
      },
    ],
    [
      'in a module that is imported twice',
      { imports: ['one', 'other'].map((tenant) => SenderModule.for(tenant)) },
    ],
  ];

  it.each(WAYS)('has a task of each that is called, and guesses none: %s', async (_, metadata) => {
    const { clock, module, runner } = await createApp(metadata, { queues: { mails: {} } });
    const [one, other] = ['one', 'other'].map((name) =>
      module.get<Sender>(name, { strict: false }),
    );
    await other?.send();
    await one?.send();
    runner.addTask(other?.send.bind(other) as () => void);
    await clock.settle();
    expect(ran.splice(0)).toEqual(['for other', 'for one', 'for other']);
    expect(() => runner.addTask(other?.send as () => void)).toThrow(
      expect.objectContaining({ code: 'BGT_AMBIGUOUS_TASK' }),
    );
  });

  it.each(WAYS)('is refused at start-up where its tasks are stored: %s', async (_, metadata) => {
    const starting = createApp(metadata, {
      queues: { mails: { engine: journal({ path: '/dev/null/never-opened' }) } },
    });
    await expect(starting).rejects.toThrow(
      /Sender\.send: its class has several objects \(.+ of .+, .+ of .+\), and a stored/,
    );
  });
});

it('R7: one factory that makes two objects, as an override in a test does, starts with a store', async () => {
  class Sender {
    @Background({ queue: 'mails' })
    async send(): Promise<void> {}
  }
  const useFactory = () => new Sender();
  const starting = createApp(
    { providers: ['one', 'other'].map((provide) => ({ provide, useFactory })) },
    { queues: { mails: { engine: journal({ path: '/dev/null/never-opened' }) } } },
  );
  await expect(starting).rejects.toThrow(/never-opened/);
});

it('a transient provider has a task of each of its instances', async () => {
  @Injectable({ scope: Scope.TRANSIENT })
  class Transient {
    ran = 0;

    @Background()
    run(): void {
      this.ran += 1;
    }
  }
  @Injectable()
  class One {
    constructor(readonly part: Transient) {}
  }
  @Injectable()
  class Other {
    constructor(readonly part: Transient) {}
  }
  const { clock, module, record } = await createApp({ providers: [Transient, One, Other] });
  const events = record();
  const parts = [module.get(One).part, module.get(Other).part];
  expect(parts[0]).not.toBe(parts[1]);
  parts[1]?.run();
  expect(parts[1]?.ran).toBe(0);
  await clock.settle();
  expect(parts.map(({ ran }) => ran)).toEqual([0, 1]);
  expect(added(events)).toEqual(['Transient.run']);
});

describe('P14: other decorators', () => {
  const log: string[] = [];
  /** Replaces the method by another, as decorators for tracing, caching or locking do. */
  const Traced: MethodDecorator = (_target, _key, descriptor) => {
    const inner = descriptor.value as unknown as (...args: unknown[]) => unknown;
    descriptor.value = function (this: unknown, ...args: unknown[]) {
      log.push('traced');
      return inner.apply(this, args);
    } as never;
  };

  @Injectable()
  class Above {
    @Traced
    @Background()
    run(): void {
      log.push(`ran as ${currentTask().name || 'no task'}`);
    }
  }

  @Injectable()
  class Below {
    @Background()
    @Traced
    run(): void {
      log.push(`ran as ${currentTask().name || 'no task'}`);
    }
  }

  it.each([
    [
      'below it that replace the method are part of the task',
      Below,
      [],
      ['traced', 'ran as Below.run'],
    ],
    ['above it that replace the method leave it a task', Above, ['traced'], ['ran as Above.run']],
  ])('%s', async (_, provider, atOnce, later) => {
    const { clock, module } = await createApp({ providers: [provider] });
    module.get<Above | Below>(provider).run();
    expect(log.splice(0)).toEqual(atOnce);
    await clock.settle();
    expect(log.splice(0)).toEqual(later);
  });

  it('P20: that put an accessor above it, to bind it, are not run before somebody reads it', async () => {
    /** As bind-decorator does it. */
    const Bound = (_target: object, key: string, { value }: PropertyDescriptor) => ({
      configurable: true,
      get(this: Named): () => void {
        const bound = (value as () => void).bind(this);
        log.push(`bound to ${this.name}`);
        Object.defineProperty(this, key, { value: bound, configurable: true });
        return bound;
      },
    });
    @Injectable()
    class Named {
      readonly name = 'one';

      @Bound
      @Background()
      run(): void {
        log.push(`${this.name} ran as ${currentTask().name}`);
      }
    }
    const { clock, module, runner } = await createApp({ providers: [Named] });
    expect(log.splice(0)).toEqual([]);
    const { run } = module.get(Named);
    run();
    runner.addTask(run);
    await clock.settle();
    expect(log.splice(0)).toEqual(['bound to one', 'one ran as Named.run', 'one ran as Named.run']);
  });
});
