import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type INestApplicationContext } from '@nestjs/common';
import { LazyModuleLoader, NestFactory } from '@nestjs/core';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  Background,
  BackgroundTasksModule,
  TaskRunner,
  type BackgroundOptions,
  type EngineFactory,
} from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { BackgroundTasksTesting } from 'nestjs-background-tasks/testing';
import { LogBook } from '../../support/log-book.js';

const HOUR = 3_600_000;

/** Whose `run()` has the options. */
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

  async function start(options: BackgroundOptions) {
    const Work = workWith(options);
    const tasks = new BackgroundTasksTesting('manual');
    const builder = Test.createTestingModule({
      imports: [BackgroundTasksModule.forRoot()],
      providers: [Work],
    });
    module = await tasks.install(builder).compile();
    await module.init();
    const runner = module.get(TaskRunner);
    return { tasks, runner, work: module.get<Work>(Work) };
  }

  it('ticks as the time of the kit is moved on', async () => {
    const { tasks, work } = await start({ every: '1h' });
    await tasks.advance('1d');
    expect(work.done).toHaveLength(24);
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

  it('is refused where a module that is loaded lazily takes its name, each time', async () => {
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

  it('is a task: it retries, and events tell of it', async () => {
    const { tasks, work } = await start({
      cron: '0 3 * * *',
      timeZone: 'UTC',
      retry: { attempts: 3, delay: '1m', jitter: 'none' },
    });
    work.body = () => Promise.reject(new Error('not now'));
    await tasks.advance('25h');
    expect(work.done).toHaveLength(3);
    expect(tasks.added).toHaveLength(1);
    expect(tasks.added[0]?.outcome).toMatchObject({ status: 'failed', attempts: 3 });
  });

  it('ticks 365 nights of a year, and those on which clocks are set', async () => {
    const { tasks, work } = await start({ cron: '30 2 * * *', timeZone: 'Europe/Berlin' });
    await tasks.advance('365d');
    expect(work.done).toHaveLength(365);
  });

  it('does not overlap itself, unless it may', async () => {
    const retry = { attempts: 2, delay: '5h', jitter: 'none', maxDelay: '5h' } as const;
    const { tasks, work } = await start({ every: '1h', retry });
    work.body = () => Promise.reject(new Error('not now'));
    await tasks.advance(4.5 * HOUR);
    expect(work.done).toHaveLength(1);
    await module?.close();
    const other = await start({ every: '1h', retry, overlap: 'allow' });
    other.work.body = work.body;
    await other.tasks.advance(4.5 * HOUR);
    expect(other.work.done.length).toBeGreaterThanOrEqual(4);
  });

  it('is added, listed, changed and removed at run time', async () => {
    const { tasks, runner, work } = await start({});
    await runner.addSchedule({ name: 'a', every: '1h' }, work.run, 7);
    await runner.addSchedule({ name: 'a', every: '2h' }, work.run, 8);
    expect(await runner.listSchedules()).toMatchObject([
      { name: 'a', every: '2h', queue: 'default', nextAt: expect.any(Number) },
    ]);
    await tasks.advance('4h');
    expect(work.done).toEqual([8, 8]);
    expect(await runner.removeSchedule('a')).toBe(true);
    expect(await runner.removeSchedule('a')).toBe(false);
    await tasks.advance('4h');
    expect(work.done).toHaveLength(2);
  });

  it.each([
    [{ cron: 'daily', name: 'x' }, /'daily' is no cron expression/],
    [{ every: 0.4, name: 'x' }, /expected at least 1 ms/],
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

  it('of a method, whose date was ahead once, is no reason not to start: a warning tells of it', async () => {
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
    @Module({ imports: [BackgroundTasksModule.forRoot()], providers: [Wrong] })
    class Root {}
    await expect(
      NestFactory.createApplicationContext(Root, { logger: false, abortOnError: false }).then(
        (app) => app.init(),
      ),
    ).rejects.toThrow(/Wrong\.run.*without arguments/);
  });

  it.each([
    ['two classes', namesakes({ every: '1h' }, { every: '2h' })],
    ['the last of three classes', namesakes({}, { every: '1h' }, { every: '2h' })],
  ])(
    'of %s that a bundler has given one name are refused at start-up',
    async (_what, providers) => {
      const imports = [BackgroundTasksModule.forRoot()];
      // Nest 11 throws the error of init() again at close().
      const refused = await Test.createTestingModule({ imports, providers }).compile();
      await expect(refused.init()).rejects.toThrow(
        /Two @Background\(\) methods are named "Jobs.run"/,
      );
    },
  );

  it.each([
    ['before', namesakes({}, { every: '1h' })],
    ['after', namesakes({ every: '1h' }, {})],
  ])('share a name with a task that has no schedule, and stands %s', async (_place, providers) => {
    const imports = [BackgroundTasksModule.forRoot()];
    module = await Test.createTestingModule({ imports, providers }).compile();
    await module.init();
    expect(await module.get(TaskRunner).listSchedules()).toMatchObject([{ name: 'Jobs.run' }]);
  });

  it('of a method is changed in the code only', async () => {
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

describe('a schedule in the journal', () => {
  let folder: string;
  const apps: INestApplicationContext[] = [];

  async function start(options: BackgroundOptions) {
    folder ??= await mkdtemp(join(tmpdir(), 'bgt-schedules-'));
    const Work = workWith(options);
    const engine: EngineFactory = journal({ path: join(folder, 'tasks') });
    @Module({ imports: [BackgroundTasksModule.forRoot({ engine })], providers: [Work] })
    class Root {}
    const app = await NestFactory.createApplicationContext(Root, { logger: false });
    apps.push(app);
    return { app, work: app.get<Work>(Work), runner: app.get(TaskRunner) };
  }

  async function end() {
    await Promise.all(apps.splice(0).map((app) => app.close()));
  }

  afterEach(async () => {
    await end();
    await rm(folder, { recursive: true, force: true });
  });

  it('is that of a module which is loaded lazily', async () => {
    const { app } = await start({});
    const Late = workWith({ name: 'late', every: '100ms' });
    @Module({ providers: [Late] })
    class LateModule {}
    const loaded = await app.get(LazyModuleLoader).load(() => LateModule);
    const late = loaded.get(Late);
    await once(late.ran, 'run');
    expect(late.done).not.toEqual([]);
  });

  it('goes on after a restart, one that was added at run time, too', async () => {
    const first = await start({ every: '100ms' });
    await once(first.work.ran, 'run');
    await first.runner.addSchedule({ name: 'b', every: '100ms' }, first.work.run, 5);
    await end();
    const second = await start({ every: '100ms' });
    while (!second.work.done.includes(5) || !second.work.done.includes(0)) {
      await once(second.work.ran, 'run');
    }
    const names = (await second.runner.listSchedules()).map(({ name }) => name);
    expect(names.toSorted()).toEqual(['b', 'run']);
    expect(await second.runner.removeSchedule('b')).toBe(true);
    await end();
    const third = await start({});
    expect(await third.runner.listSchedules()).toMatchObject([{ name: 'run' }]);
  });
});
