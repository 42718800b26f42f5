import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Global,
  Inject,
  Injectable,
  Module,
  Scope,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { ContextIdFactory, LazyModuleLoader, ModuleRef, NestFactory } from '@nestjs/core';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import {
  Background,
  BackgroundTasksModule,
  TaskRunner,
  currentTask,
} from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { LogBook } from './support/log-book.js';
import { onEachPlatform } from './support/platforms.js';
import { listen, startApp } from './support/running-app.js';
import { turns } from './support/time.js';

const ran: string[] = [];
const folders: string[] = [];

afterEach(async () => {
  ran.length = 0;
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

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

onEachPlatform((platform) => {
  it('R6, P21: every object that Nest makes, whenever and however', async () => {
    const log = new LogBook();
    const nest = await NestFactory.create(rootOf(undefined), platform.createAdapter(), {
      logger: log,
      abortOnError: false,
      instrument: {
        instanceDecorator: (instance: unknown) =>
          instance instanceof Noting
            ? new Proxy(instance, {
                get(target, key) {
                  const value: unknown = Reflect.get(target, key);
                  return typeof value === 'function' ? value.bind(target) : value;
                },
              })
            : instance,
      },
    });
    const app = await listen(nest, log, {});
    await app.runner.whenIdle();
    // Of the global module, of the root module, of the factory, and the hook.
    expect(ran.splice(0).toSorted()).toEqual([
      ...Array.from({ length: 3 }, () => 'constructor as Early.note'),
      'onModuleInit as Early.note',
    ]);
    expect((await app.request('/')).body).toBe('');
    await app.runner.whenIdle();
    expect(ran.toSorted()).toEqual(
      ['constructor as Early.note', 'constructor as Early.note', 'created as Early.note'].concat(
        'event as Scoped.note',
        'lazy as Early.note',
        'resolved as Scoped.note',
      ),
    );
  });

  it('R6, P21: with a journal they are stored, and run after a crash in between', async () => {
    const path = await mkdtemp(join(tmpdir(), 'bgt-every-'));
    folders.push(path);
    const log = new LogBook();
    const nest = await NestFactory.create(rootOf(path), platform.createAdapter(), {
      logger: log,
      abortOnError: false,
    });
    const app = await listen(nest, log, {});
    await app.runner.whenIdle();
    expect(ran).toHaveLength(4);
    expect((await app.request('/')).status).toBe(200);
    await app.runner.whenIdle();
    expect(ran).toHaveLength(10);
  });

  it('R6, P21: an object that no application could make again is refused by a store', async () => {
    const path = await mkdtemp(join(tmpdir(), 'bgt-every-'));
    folders.push(path);
    class Unlisted extends Noting {}
    const app = await startApp(platform, { options: { engine: journal({ path }) } });
    expect(() => void new Unlisted().note('never')).toThrow(
      /cannot be stored: the class of Unlisted\.note is not a provider of the application/,
    );
    expect(app.nest.get(TaskRunner)).toBeDefined();
  });
});
