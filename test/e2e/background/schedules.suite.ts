import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { LazyModuleLoader, NestFactory } from '@nestjs/core';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  Background,
  BackgroundTasksModule,
  TaskRunner,
  type BackgroundOptions,
} from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { BackgroundTasksTesting, type TestingMode } from 'nestjs-background-tasks/testing';
import { LogBook } from '../../support/log-book.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const HOUR = 3_600_000;

/** A class whose `run()` has the options. */
function workWith(options: BackgroundOptions) {
  @Injectable()
  class Work {
    readonly done: number[] = [];
    readonly ran = new EventEmitter();
    body: () => Promise<void> = () => Promise.resolve();

    @Background({ name: 'run', ...options })
    async run(id = 0): Promise<void> {
      this.done.push(id);
      this.ran.emit('run');
      await this.body();
    }
  }
  return Work;
}

/** Classes that a bundler has given one name. */
function namesakes(...schedules: BackgroundOptions[]) {
  return schedules.map((schedule) => {
    @Injectable()
    class Jobs {
      @Background(schedule)
      run(): void {}
    }
    return Jobs;
  });
}

type Work = InstanceType<ReturnType<typeof workWith>>;

describe('a schedule in a test', () => {
  let module: TestingModule | undefined;

  afterEach(() => module?.close());

  async function start(options: BackgroundOptions, mode: TestingMode = 'manual') {
    const Work = workWith(options);
    const tasks = new BackgroundTasksTesting(mode);
    const builder = Test.createTestingModule({
      imports: [BackgroundTasksModule.forRoot()],
      providers: [Work],
    });
    module = await tasks.install(builder).compile();
    await module.init();
    const runner = module.get(TaskRunner);
    return { tasks, runner, work: module.get<Work>(Work) };
  }

  it('ticks although a constructor has asked for a task before', async () => {
    const Work = workWith({ every: '1h' });
    @Injectable()
    class Early {
      constructor(runner: TaskRunner) {
        runner.addTask({ name: 'early' }, Work.prototype.run, 7);
      }
    }
    const tasks = new BackgroundTasksTesting('manual');
    const imports = [BackgroundTasksModule.forRoot()];
    const builder = Test.createTestingModule({ imports, providers: [Early, Work] });
    module = await tasks.install(builder).compile();
    await module.init();
    await tasks.advance('2h');
    expect(module.get<Work>(Work).done).toEqual([7, 0, 0]);
  });

  it.each(['inline', 'fake'] as const)("does not tick in mode '%s'", async (mode) => {
    const { tasks } = await start({ every: '1h', overlap: 'allow' }, mode);
    await tasks.advance('1d');
    expect(tasks.added).toEqual([]);
  });

  it('ticks from when its module is loaded lazily', async () => {
    const { tasks, runner } = await start({});
    const Late = workWith({ name: 'late', every: '1h' });
    @Module({ providers: [Late] })
    class LateModule {}
    const { load } = LazyModuleLoader.prototype;
    const loaded = await module?.get(LazyModuleLoader).load(() => LateModule);
    expect(LazyModuleLoader.prototype.load).toBe(load);
    await tasks.advance('1d');
    expect(loaded?.get(Late).done).toHaveLength(24);
    expect(await runner.listSchedules()).toMatchObject([{ name: 'late' }]);
  });

  it('is refused, each time, where a lazily loaded module has another schedule of its name', async () => {
    const { runner } = await start({});
    const Late = workWith({ name: 'late', every: '1h' });
    @Module({ providers: [Late] })
    class LateModule {}
    const Same = workWith({ name: 'late', every: '2h' });
    @Module({ imports: [LateModule], providers: [Same] })
    class SecondModule {}
    const load = () => module?.get(LazyModuleLoader).load(() => SecondModule);
    await expect(load()).rejects.toThrow(/late/);
    await expect(load()).rejects.toThrow(/late/);
    expect(await runner.listSchedules()).toHaveLength(1);
  });

  it.each([
    ['skip', 1],
    ['allow', 4],
  ] as const)('with overlap: %s adds %d tasks while its task retries', async (overlap, count) => {
    const retry = { attempts: 2, delay: '5h', jitter: 'none', maxDelay: '5h' } as const;
    const { tasks, work } = await start({ every: '1h', retry, overlap });
    work.body = () => Promise.reject(new Error('not now'));
    await tasks.advance(4 * HOUR);
    expect(tasks.added).toHaveLength(count);
  });

  // Added, listed and removed on every engine: the conformance suites.
  it('is changed by addSchedule() with its name', async () => {
    const { tasks, runner, work } = await start({});
    await runner.addSchedule({ name: 'a', every: '1h' }, work.run, 7);
    await runner.addSchedule({ name: 'a', every: '2h' }, work.run, 8);
    expect(await runner.listSchedules()).toMatchObject([{ name: 'a', every: '2h' }]);
    await tasks.advance('4h');
    expect(work.done).toEqual([8, 8]);
  });

  it.each([
    [{ cron: 'daily', name: 'x' }, /'daily' is no cron expression/],
    [{ every: 0.4, name: 'x' }, /expected at least 1 ms/],
    [{ every: '99999999999d', name: 'x' }, /every.*at most 1e14/], // no Date could hold its tick
    [{ cron: '@reboot', name: 'x' }, /detection\. Write five/],
    [{ cron: '2020-01-01T00:00:00', name: 'x' }, /lies in the past/],
    [{ cron: '0 0 0 1 1 * 2020', name: 'x' }, /lies in the past/],
    [{ every: '1h', cron: '* * * * *', name: 'x' }, /either "cron" or "every"/],
    [{ every: '1h', timeZone: 'UTC', name: 'x' }, /timeZone.*is for "cron"/],
    [{ every: '1h' }, /schedule\.name.*is missing/],
    [{ every: '1h', name: 'x', mised: 'all' }, /Did you mean "missed"/],
    [{ every: '1h', name: 'é'.repeat(501) }, /schedule\.name.*takes 1002 bytes/],
    [{ every: '1h', name: 'x\0y' }, /schedule\.name.*cannot be stored as text/],
    [{ every: '1h', name: 'x\ud800' }, /schedule\.name.*cannot be stored as text/],
  ])('%j is refused at once', async (options, message) => {
    const { runner, work } = await start({});
    await expect(runner.addSchedule(options as never, work.run)).rejects.toThrow(message);
  });

  it('of a method, with a date that has passed, is warned of at start-up', async () => {
    const Work = workWith({ cron: '2020-01-01T00:00:00' });
    const log = new LogBook();
    module = await Test.createTestingModule({
      imports: [BackgroundTasksModule.forRoot()],
      providers: [Work],
    })
      .setLogger(log)
      .compile();
    await module.init();
    expect(log.lines.filter(({ level }) => level === 'warn')).toMatchObject([
      { message: `Schedule "run" has no tick to come: '2020-01-01T00:00:00' lies in the past.` },
    ]);
  });

  it('of a method that takes an argument is refused at start-up', async () => {
    @Injectable()
    class Wrong {
      @Background({ every: '1h' })
      run(_id: string): void {}
    }
    const refused = await Test.createTestingModule({
      imports: [BackgroundTasksModule.forRoot()],
      providers: [Wrong],
    }).compile();
    await expect(refused.init()).rejects.toThrow(/Wrong\.run.*without arguments/);
  });

  it.each([
    ['two classes', namesakes({ every: '1h' }, { every: '2h' })],
    ['the last of three classes', namesakes({}, { every: '1h' }, { every: '2h' })],
  ])('of %s that a bundler gave one name are refused at start-up', async (_what, providers) => {
    const imports = [BackgroundTasksModule.forRoot()];
    // Nest 11 throws the error of init() again at close().
    const refused = await Test.createTestingModule({ imports, providers }).compile();
    await expect(refused.init()).rejects.toThrow(
      /Two @Background\(\) methods are named "Jobs.run"/,
    );
  });

  it.each([
    ['before', namesakes({}, { every: '1h' })],
    ['behind', namesakes({ every: '1h' }, {})],
  ])('shares a name with a task without a schedule that is %s it', async (_place, providers) => {
    const imports = [BackgroundTasksModule.forRoot()];
    module = await Test.createTestingModule({ imports, providers }).compile();
    await module.init();
    expect(await module.get(TaskRunner).listSchedules()).toMatchObject([{ name: 'Jobs.run' }]);
  });

  it('of a method can be changed in the code only', async () => {
    const { runner, work } = await start({ every: '1h' });
    const adding = runner.addSchedule({ name: 'run', every: '2h' }, work.run);
    await expect(adding).rejects.toThrow(/schedule\.name.*'run' is the schedule of a @Background/);
    expect(await runner.listSchedules()).toMatchObject([{ every: '1h' }]);
  });

  it('refuses batches: a schedule passes no array', () => {
    const batch = { size: 2, wait: '1s' } as const;
    expect(() => workWith({ every: '1h', batch })).toThrow(/batch.*passes no arguments/);
  });

  it('refuses options of a schedule that is none', () => {
    expect(() => workWith({ missed: 'all' })).toThrow(/there is no schedule/);
  });
});

it('a schedule of a module that is loaded lazily is kept by the journal', async () => {
  const engine = journal({ path: await temporaryFolder() });
  @Module({ imports: [BackgroundTasksModule.forRoot({ engine })] })
  class Root {}
  const app = await NestFactory.createApplicationContext(Root, { logger: false });
  const Late = workWith({ name: 'late', every: '100ms' });
  @Module({ providers: [Late] })
  class LateModule {}
  const loaded = await app.get(LazyModuleLoader).load(() => LateModule);
  const late = loaded.get(Late);
  await once(late.ran, 'run');
  expect(late.done).not.toEqual([]);
  await app.close();
});
