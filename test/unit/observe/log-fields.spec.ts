import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ConsoleLogger, Logger, Module, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Logger as PinoLogger, LoggerModule } from 'nestjs-pino';
import {
  BackgroundTasksModule,
  TaskRunner,
  currentTask,
  type BackgroundTasksOptions,
} from 'nestjs-background-tasks';

type Line = Record<string, unknown>;

const written: string[] = [];

/** Runs one of each kind of task to its end. */
async function runTasks(runner: TaskRunner): Promise<string[]> {
  let failures = 1;
  const handles = [
    runner.addTask({ name: 'fine' }, () => undefined),
    runner.addTask({ name: 'again', retry: { attempts: 2, delay: 0 } }, () => {
      if (failures-- > 0) {
        throw new Error('once');
      }
    }),
    runner.addTask({ name: 'broken' }, () => {
      currentTask().log('about to fail');
      throw new TypeError('no connection');
    }),
  ];
  await runner.whenIdle();
  return handles.map(({ id }) => id);
}

async function withLogger(
  logger: LoggerService | false,
  work: (runner: TaskRunner) => Promise<void>,
  options: BackgroundTasksOptions = {},
): Promise<void> {
  @Module({ imports: [BackgroundTasksModule.forRoot({ logEvents: true, ...options })] })
  class AppModule {}

  const app = await NestFactory.createApplicationContext(AppModule, { logger });
  await work(app.get(TaskRunner));
  await app.close();
}

/** What was written, one JSON object a line. */
function lines(): Line[] {
  return written
    .join('')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
    .filter(({ context }) => context === 'BackgroundTasks');
}

describe('the log', () => {
  beforeEach(() => {
    written.length = 0;
    for (const stream of [process.stdout, process.stderr]) {
      jest.spyOn(stream, 'write').mockImplementation((text) => {
        written.push(String(text));
        return true;
      });
    }
  });
  afterEach(() => {
    jest.restoreAllMocks();
    Logger.overrideLogger(new ConsoleLogger());
  });

  it("has fields in the JSON of Nest's console logger, a line for each event", async () => {
    let ids: string[] = [];
    await withLogger(new ConsoleLogger({ json: true }), async (runner) => {
      ids = await runTasks(runner);
    });
    const messages = lines().flatMap<Line>(({ level, message }) =>
      typeof message === 'object' ? [{ level, ...message }] : [],
    );
    const eventsOf = (index: number): Line[] => messages.filter((one) => one.taskId === ids[index]);
    expect(eventsOf(0)).toMatchObject([
      { level: 'debug', event: 'added', taskName: 'fine', queue: 'default', attempt: 0 },
      { level: 'debug', event: 'queued' },
      { level: 'debug', event: 'started', attempt: 1 },
      { level: 'debug', event: 'completed', attempt: 1, durationMs: expect.any(Number) },
    ]);
    expect(eventsOf(1).map(({ level, event, attempt }) => [level, event, attempt])).toEqual([
      ['debug', 'added', 0],
      ['debug', 'queued', 0],
      ['debug', 'started', 1],
      ['warn', 'retrying', 1],
      ['debug', 'started', 2],
      ['debug', 'completed', 2],
    ]);
    expect(eventsOf(2).slice(3)).toMatchObject([
      { level: 'log', event: 'log', msg: `Task broken (${ids[2]}): about to fail` },
      {
        level: 'error',
        event: 'failed',
        attempt: 1,
        durationMs: expect.any(Number),
        msg: expect.stringMatching(/failed after 1 attempt, .* TypeError: no connection$/),
        stack: expect.stringMatching(/^TypeError: no connection\n {4}at /),
      },
    ]);
  });

  it('has fields at the top of the lines of nestjs-pino, and the error where pino has it', async () => {
    const stream = { write: (line: string): void => void written.push(line) };
    @Module({
      imports: [
        LoggerModule.forRoot({ pinoHttp: [{ level: 'debug' }, stream] }),
        BackgroundTasksModule.forRoot({ logEvents: true }),
      ],
    })
    class AppModule {}

    const app = await NestFactory.create(AppModule, { bufferLogs: true });
    app.useLogger(app.get(PinoLogger));
    app.flushLogs(); // Nest 11 does it when the application listens
    await app.init();
    const ids = await runTasks(app.get(TaskRunner));
    await app.close();
    const of = (index: number): Line[] => lines().filter(({ taskId }) => taskId === ids[index]);
    expect(of(0).map(({ event }) => event)).toEqual(['added', 'queued', 'started', 'completed']);
    expect(of(0)[3]).toMatchObject({
      level: 20,
      taskName: 'fine',
      attempt: 1,
      durationMs: expect.any(Number),
      msg: `Task fine (${ids[0]}) completed in 0 ms`,
    });
    expect(of(2).at(-1)).toMatchObject({
      level: 50,
      event: 'failed',
      taskName: 'broken',
      attempt: 1,
      err: {
        type: 'TypeError',
        message: 'no connection',
        stack: expect.stringMatching(/^TypeError: no connection\n {4}at /),
      },
      msg: expect.stringMatching(/failed after 1 attempt/),
    });
  });

  it('has one sentence a line, and the stack below a failure, as text', async () => {
    await withLogger(new ConsoleLogger({ colors: false }), async (runner) => {
      await runTasks(runner);
    });
    const text = written.join('');
    expect(text).toMatch(/DEBUG \[BackgroundTasks\] Task fine \([\w-]+\) completed in \d+ ms\n/);
    expect(text).toMatch(
      /ERROR \[BackgroundTasks\] Task broken \([\w-]+\) failed after .*: TypeError: no connection\nTypeError: no connection\n {4}at /,
    );
    expect(text).not.toMatch(/Object\(/);
  });

  it('cannot be forged by a name, a message or an error', async () => {
    const forged = '\u001b[2K\r\n[Nest] 1  - 1/1/2026     LOG [Auth] admin logged in\u2028\u202e';
    await withLogger(new ConsoleLogger({ colors: false }), async (runner) => {
      runner.addTask({ name: `mail${forged}` }, () => {
        currentTask().log(forged);
        const error = new Error(forged);
        error.stack = `Error: ${forged}\n    at fine (file.js:1:1)${forged}\n\tat last`;
        throw error;
      });
      await runner.whenIdle();
    });
    const own = written
      .join('')
      .split('\n')
      .filter((line) => line.includes('admin logged in'));
    expect(own.length).toBeGreaterThan(5);
    for (const line of own) {
      expect(line).toMatch(
        /^\[Nest\] \d+  - .+ \[BackgroundTasks\] Task |^Error: \\x1b| {4}\[Nest\]/,
      );
      // oxlint-disable-next-line no-control-regex -- they are what must not be there
      expect(line).not.toMatch(/[\u0000-\u001f\u2028\u202e]/);
    }
  });

  it('cuts what is endless', async () => {
    await withLogger(new ConsoleLogger({ colors: false }), async (runner) => {
      runner.addTask(() => {
        throw Object.assign(new Error('x'.repeat(10_000_000)), { stack: undefined });
      });
      await runner.whenIdle();
    });
    expect(written.join('').length).toBeLessThan(20_000);
    expect(written.join('')).toMatch(/… \(\d+ more characters\)/);
  });

  it('puts no event together where nobody asked for it', async () => {
    await withLogger(
      new ConsoleLogger({ json: true }),
      async (runner) => {
        expect(isObserved(runner)).toBe(false);
        await runTasks(runner);
      },
      { logEvents: undefined },
    );
    expect(written.join('')).not.toContain('"started"');
  });
});

describe('the lines of a task', () => {
  it('are kept with it: the latest of them, each to a bound', async () => {
    await withLogger(false, async (runner) => {
      const handle = runner.addTask(() => {
        const { log } = currentTask();
        for (let index = 0; index < 150; index += 1) {
          log(`line ${index}`);
        }
        log('x'.repeat(5_000));
      });
      const { id } = handle;
      await runner.whenIdle();
      const { logs } = (await runner.get(id)) ?? { logs: [] };
      expect(logs).toHaveLength(100);
      expect(logs[0]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z line 51$/);
      expect(logs.at(-1)).toMatch(/ x{1000}…$/);
    });
  });
});

function isObserved(runner: TaskRunner): boolean {
  return (runner.events as unknown as { source: { observed: boolean } }).source.observed;
}
