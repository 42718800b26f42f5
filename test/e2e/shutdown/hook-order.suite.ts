import { afterEach, expect, it } from '@jest/globals';
import {
  Global,
  Injectable,
  Module,
  type INestApplicationContext,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';
import { Gate, turns } from '../support/time.js';

/** What has happened, in its order. */
let seen: string[] = [];
let onNote: ((note: string) => void) | undefined;
let app: INestApplicationContext | undefined;

afterEach(async () => {
  await app?.close();
  app = undefined;
  seen = [];
  onNote = undefined;
});

function note(text: string): void {
  seen.push(text);
  onNote?.(text);
}

/** A class that notes each hook of Nest, and takes its time over the one at the start. */
function noting(name: string): Type {
  return class {
    async onApplicationBootstrap(): Promise<void> {
      await turns(3);
      note(`${name}: bootstrap`);
    }

    readonly onModuleDestroy = (): void => note(`${name}: destroy`);
    readonly beforeApplicationShutdown = (): void => note(`${name}: before shutdown`);
    readonly onApplicationShutdown = (): void => note(`${name}: shutdown`);
  };
}

/** The root module and one of its providers, an imported module, a global one: each notes its hooks. */
function rootModule(): Type {
  class GlobalModule extends noting('global') {}
  Global()(GlobalModule);
  Module({ providers: [noting('global provider')] })(GlobalModule);

  class FeatureModule extends noting('feature') {}
  Module({ providers: [noting('feature provider')] })(FeatureModule);

  /** Adds a task as early as it can. */
  @Injectable()
  class Eager implements OnModuleInit {
    constructor(private readonly runner: TaskRunner) {}

    onModuleInit(): void {
      this.runner.addTask(() => void seen.push('the early task'));
    }
  }

  class RootModule extends noting('root') {}
  Module({
    imports: [GlobalModule, FeatureModule, BackgroundTasksModule.forRoot()],
    providers: [Eager, noting('root provider')],
  })(RootModule);
  return RootModule;
}

async function start(): Promise<{ app: INestApplicationContext; runner: TaskRunner }> {
  app = await NestFactory.createApplicationContext(rootModule(), {
    logger: false,
    abortOnError: false,
  });
  return { app, runner: app.get(TaskRunner) };
}

const EVERYONE = ['global', 'feature', 'root'].flatMap((name) => [name, `${name} provider`]);

it('P6: no task starts before every onApplicationBootstrap is over, the root module included', async () => {
  const { runner } = await start();
  await runner.whenIdle();

  expect(seen.slice(0, -1).toSorted()).toEqual(
    EVERYONE.map((name) => `${name}: bootstrap`).toSorted(),
  );
  expect(seen.at(-1)).toBe('the early task');
});

it('P13: running tasks are waited for before any onModuleDestroy, the root module included', async () => {
  const { app: closing, runner } = await start();
  await runner.whenIdle();
  seen = [];

  const end = new Gate();
  const begun = new Gate();
  runner.addTask(async () => {
    begun.open();
    await end.opened;
    seen.push('the task');
  });
  await begun.opened;
  const closed = closing.close();
  await turns(5);
  expect(seen).toEqual([]);
  end.open();
  await closed;

  expect(seen[0]).toBe('the task');
  expect(seen).toHaveLength(1 + 3 * EVERYONE.length);
});

it.each(['destroy', 'before shutdown'])(
  'P13: a task that is added in a hook runs before the hooks that come later (%s)',
  async (hook) => {
    const { app: closing, runner } = await start();
    await runner.whenIdle();
    const later = hook === 'destroy' ? 'before shutdown' : 'shutdown';

    onNote = (text) => {
      if (text.endsWith(`: ${hook}`)) {
        onNote = undefined;
        runner.addTask(() => void seen.push('the late task'));
      }
    };
    await closing.close();

    const task = seen.indexOf('the late task');
    expect(task).toBeGreaterThan(0);
    expect(task).toBeLessThan(seen.findIndex((text) => text.endsWith(`: ${later}`)));
  },
);
