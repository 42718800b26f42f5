/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Global,
  Inject,
  Injectable,
  Module,
  type OnModuleInit,
  Scope,
  type Type,
} from '@nestjs/common';
import {
  type ContextId,
  ContextIdFactory,
  type ContextIdStrategy,
  LazyModuleLoader,
  ModuleRef,
  REQUEST,
} from '@nestjs/core';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import {
  Background,
  BackgroundTasks,
  BackgroundTasksModule,
  TaskRunner,
  Tasks,
  currentTask,
} from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { EXPRESS, onEachPlatform } from '../support/platforms.js';
import { startApp } from '../support/running-app.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { turns } from '../support/time.js';

const ran: string[] = [];
abstract class Noting {
  @Background({ retry: { attempts: 2, delay: 1 } })
  async note(text: string): Promise<void> {
    ran.push(`${text} as ${currentTask().name || 'no task'}`);
  }
}

@Injectable()
class Early extends Noting {
  constructor() {
    super();
    void this.note('constructor');
  }
}

@Injectable({ scope: Scope.REQUEST })
class Scoped extends Noting {
  @OnEvent('happened')
  async happened(): Promise<void> {
    await this.note('event');
  }
}

@Module({ providers: [Early] })
class LateModule {}

@Global()
@Module({ providers: [Early], exports: [Early] })
class GlobalModule implements OnModuleInit {
  constructor(private readonly early: Early) {}

  async onModuleInit(): Promise<void> {
    await this.early.note('onModuleInit');
  }
}

@Controller()
class NoteController {
  constructor(
    private readonly moduleRef: ModuleRef,
    private readonly lazy: LazyModuleLoader,
    @Inject(EventEmitter2) private readonly emitter: EventEmitter2,
  ) {}

  @Get()
  async get(): Promise<string> {
    const late = await this.lazy.load(() => LateModule);
    await late.get(Early).note('lazy');
    await (await this.moduleRef.create(Early)).note('created');
    const scoped = await this.moduleRef.resolve(Scoped, ContextIdFactory.create());
    await scoped.note('resolved');
    await this.emitter.emitAsync('happened');
    return ran.join();
  }
}

/** Ours is made last, and its options take a while. */
function rootOf(path: string | undefined): Type {
  @Module({
    imports: [
      GlobalModule,
      EventEmitterModule.forRoot(),
      BackgroundTasksModule.forRootAsync({
        useFactory: async () => {
          await turns(3);
          return path === undefined ? {} : { engine: journal({ path }) };
        },
      }),
    ],
    providers: [Early, Scoped, { provide: 'made', useFactory: async () => new Early() }],
    controllers: [NoteController],
  })
  class RootModule {}
  return RootModule;
}

/** A proxy around every object with the method, as tools that trace make it. */
function instanceDecorator(instance: unknown): unknown {
  return instance instanceof Noting
    ? new Proxy(instance, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      })
    : instance;
}

describe('every instance', () => {
  afterEach(() => void (ran.length = 0));

  onEachPlatform((platform) => {
    it.each([false, true])(
      'R6, P21: a method of every object that Nest makes is a task, whenever it is made (journal: %s)',
      async (isStored) => {
        const path = isStored ? await temporaryFolder() : undefined;
        const app = await startApp(platform, rootOf(path), { instrument: { instanceDecorator } });
        await app.runner.whenIdle();
        // Of the global module, of the root module, of the factory, and the hook.
        expect(ran.splice(0).toSorted()).toEqual([
          ...Array.from({ length: 3 }, () => 'constructor as Early.note'),
          'onModuleInit as Early.note',
        ]);
        expect((await app.request('/')).body).toBe('');
        await app.runner.whenIdle();
        expect(ran.toSorted()).toEqual([
          'constructor as Early.note',
          'constructor as Early.note',
          'created as Early.note',
          'event as Scoped.note',
          'lazy as Early.note',
          'resolved as Scoped.note',
        ]);
      },
    );
  });

  it('R6, P21: a method of an object that no application could make again is refused by a store', async () => {
    class Unlisted extends Noting {}
    await startApp(EXPRESS, { options: { engine: journal({ path: await temporaryFolder() }) } });
    expect(() => void new Unlisted().note('never')).toThrow(
      /cannot be stored: the class of Unlisted\.note is not a provider of the application/,
    );
  });
});

interface TenantRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
}

const seen: string[] = [];

@Injectable({ scope: Scope.REQUEST })
class Tenant {
  constructor(@Inject(REQUEST) private readonly request: TenantRequest) {}

  get id(): string | undefined {
    return this.request.headers['x-tenant'];
  }
}

/** It gets the request by what it is made of. */
@Injectable()
class Reports {
  private count = 0;

  constructor(private readonly tenant: Tenant) {}

  begin(): void {
    this.count += 1;
  }

  @Background({ retry: { attempts: 2, delay: 1 } })
  async build(name: string): Promise<void> {
    seen.push(`${name} of ${this.tenant.id}, begun ${this.count}`);
  }
}

@Controller('injected')
class InjectingController {
  constructor(
    private readonly reports: Reports,
    private readonly tasks: BackgroundTasks,
  ) {}

  @Get()
  get(@Tasks() tasks: BackgroundTasks): void {
    this.reports.begin();
    this.tasks.addTask(this.reports.build, 'one');
    tasks.chain().addTask({ name: 'two' }, this.reports.build, 'two');
    void this.reports.build('three');
  }
}

@Controller()
class SingletonController {
  constructor(private readonly runner: TaskRunner) {}

  @Get('singleton')
  get(@Tasks() tasks: BackgroundTasks): void {
    tasks.addTask(Reports.prototype.build, 'one');
    tasks.addTask(Reports.prototype.build, 'two');
  }

  @Get('runner')
  fail(): void {
    this.runner.addTask(Reports.prototype.build, 'never');
  }

  @Get('durable')
  durable(@Tasks() tasks: BackgroundTasks): void {
    tasks.addTask(Plans.prototype.bill);
  }
}

/** One instance for each tenant. */
@Injectable({ scope: Scope.REQUEST, durable: true })
class Plans {
  constructor(@Inject(REQUEST) private readonly payload: { readonly tenantId: string }) {}

  @Background()
  async bill(): Promise<void> {
    seen.push(`bill of ${this.payload.tenantId}`);
  }
}

const PROVIDERS = [Reports, Tenant];
const INJECTING = { controllers: [InjectingController], providers: PROVIDERS };
const SINGLETON = { controllers: [SingletonController], providers: PROVIDERS };

describe('request scoped', () => {
  afterEach(() => void (seen.length = 0));

  onEachPlatform((platform) => {
    const acme = { headers: { 'x-tenant': 'acme' } };

    it('R7: a method passed to addTask() runs on the object of its request', async () => {
      const app = await startApp(platform, INJECTING);
      await Promise.all([
        app.request('/injected', acme),
        app.request('/injected', { headers: { 'x-tenant': 'zeta' } }),
      ]);
      await app.untilSettled(6);
      expect(seen.toSorted()).toEqual(
        ['one', 'three', 'two'].flatMap((name) =>
          ['acme', 'zeta'].map((tenant) => `${name} of ${tenant}, begun 1`),
        ),
      );
    });

    it('R7: it runs on an object that is made for its request, where that has none yet', async () => {
      const app = await startApp(platform, SINGLETON);
      await app.request('/singleton', acme);
      await app.untilSettled(2);
      expect(seen).toEqual(['one of acme, begun 0', 'two of acme, begun 0']);
      // Where no request is known, an error names the way.
      expect((await app.request('/runner', acme)).status).toBe(500);
      expect(() => app.runner.addTask(Reports.prototype.build, 'never')).toThrow(
        /@Background\(\) on Reports\.build: its class is request-scoped \(REQUEST\).*Call the method on its object/,
      );
    });

    it('R7: a method of a durable provider runs on the object of the tenant', async () => {
      class ByTenant implements ContextIdStrategy<TenantRequest> {
        private readonly tenants = new Map<string, ContextId>();

        attach(contextId: ContextId, { headers }: TenantRequest) {
          const tenantId = headers['x-tenant'] ?? '';
          const own = this.tenants.get(tenantId) ?? ContextIdFactory.create();
          this.tenants.set(tenantId, own);
          return {
            resolve: ({ isTreeDurable }: { isTreeDurable: boolean }) =>
              isTreeDurable ? own : contextId,
            payload: { tenantId },
          };
        }
      }
      ContextIdFactory.apply(new ByTenant());
      try {
        const app = await startApp(platform, {
          controllers: [SingletonController],
          providers: [Plans],
        });
        await app.request('/durable', acme);
        await app.request('/durable', { headers: { 'x-tenant': 'zeta' } });
        await app.untilSettled(2);
        expect(seen.toSorted()).toEqual(['bill of acme', 'bill of zeta']);
      } finally {
        ContextIdFactory.apply(undefined as never);
      }
    });

    it('R7: an engine that stores refuses a request-scoped class at start-up, unless the request can be made again', async () => {
      const engine = journal({ path: await temporaryFolder() });
      await expect(startApp(platform, { ...INJECTING, options: { engine } })).rejects.toThrow(
        /@Background\(\) on Reports\.build: its class is request-scoped.*`carry: \{ request \}`/,
      );
      const app = await startApp(platform, {
        ...INJECTING,
        options: {
          engine: journal({ path: await temporaryFolder() }),
          carry: {
            capture: () => 'acme, carried',
            restore: (_, run) => run(),
            request: (tenant) => ({ headers: { 'x-tenant': tenant } }),
          },
        },
      });
      await app.runner.addTask(Reports.prototype.build, 'from outside').whenSettled();
      expect(seen).toEqual(['from outside of acme, carried, begun 0']);
    });
  });
});
