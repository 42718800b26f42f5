import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ConsoleLogger, Logger, type LoggerService, type ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { LoggerModule, Logger as PinoLogger } from 'nestjs-pino';
import { type BackgroundTasksOptions, TaskRunner, currentTask } from 'nestjs-background-tasks';
import { rootModule } from '../../e2e/support/root-module.js';
import { Log } from '../../../lib/observe/log.js';
import { createKit } from '../support/kit.js';

type Line = Record<string, unknown>;

const written: string[] = [];
const stream = { write: (line: unknown): void => void written.push(String(line)) };

/** An application with this logger does this work. */
async function withLogger(
  logger: LoggerService | false | undefined,
  work: (runner: TaskRunner) => Promise<void>,
  options: BackgroundTasksOptions = {},
  imports: ModuleMetadata['imports'] = [],
): Promise<void> {
  const root = rootModule({ options, imports });
  const how = logger === undefined ? { bufferLogs: true } : { logger };
  const app = await NestFactory.create(root, how);
  if (logger === undefined) {
    app.useLogger(app.get(PinoLogger));
    app.flushLogs();
  }
  await app.init();
  await work(app.get(TaskRunner));
  await app.close();
}

/** Fails, with all that an error of an HTTP client holds. */
async function fail(runner: TaskRunner): Promise<void> {
  const config = { headers: { authorization: 'Bearer s3cret' } };
  runner.addTask({ name: 'broken' }, () => {
    const error = new TypeError('no connection to redis://u:pw@host');
    throw Object.assign(error, { code: 'E_NONE', config, toJSON: () => ({ config }) });
  });
  await runner.whenIdle();
}

const SENTENCE =
  /^Task broken \([\w-]+\) failed after 1 attempt, the last one of \d+ ms: TypeError: no connection to redis:\/\/\*\*\*@host$/;
const STACK = /^TypeError: no connection to redis:\/\/\*\*\*@host\n {4}at /;

const FIELDS = {
  event: 'failed',
  taskId: expect.any(String),
  taskName: 'broken',
  queue: 'default',
  attempt: 1,
  durationMs: expect.any(Number),
  message: expect.stringMatching(SENTENCE),
  error: { name: 'TypeError', message: 'no connection to redis://***@host', code: 'E_NONE' },
  stack: expect.stringMatching(STACK),
};

function pino(options: object): ModuleMetadata['imports'] {
  return [LoggerModule.forRoot({ pinoHttp: [{ level: 'debug', ...options }, stream] })];
}

/** As many are written by hand: it takes what it is given for a text. */
class HandWritten implements LoggerService {
  log(message: string): void {
    stream.write(`log ${message}`);
  }
  warn(message: string): void {
    stream.write(`warn ${message.replace('x', 'y').trim()}`);
  }
  error(message: string, stack?: string): void {
    const kind = message.includes('failed') && message.length > 10 ? 'failure' : 'other';
    stream.write(`${kind}: ${message.concat(stack ?? '')}\n`);
  }
}

/** What was written at debug about the task with this id. */
function lifeOf(id = ''): string[] {
  const line = new RegExp(`DEBUG .*${id}\\) (.*?)( in \\d+ ms)?\n`);
  return written.flatMap((text) => text.match(line)?.[1] ?? []);
}

function throwAway(): never {
  throw new Error('disk full');
}

function lines(): Line[] {
  expect(written.join('')).not.toMatch(/s3cret|:pw@/);
  return written
    .join('')
    .split('\n')
    .filter((line) => line.includes('"failed"'))
    .map((line) => JSON.parse(line) as Line);
}

describe('the log', () => {
  beforeEach(() => {
    written.length = 0;
    for (const output of [process.stdout, process.stderr]) {
      jest.spyOn(output, 'write').mockImplementation((text) => {
        written.push(String(text));
        return true;
      });
    }
  });
  afterEach(() => {
    jest.restoreAllMocks();
    Logger.overrideLogger(new ConsoleLogger());
  });

  describe('O9, O10: has the same JSON fields, and no secret, with', () => {
    it("Nest's console logger", async () => {
      await withLogger(new ConsoleLogger({ json: true }), fail);
      expect(lines()).toEqual([expect.objectContaining({ level: 'error', message: FIELDS })]);
    });

    it('nestjs-pino, which gets the sentence as msg', async () => {
      await withLogger(undefined, fail, {}, pino({}));
      expect(lines()).toEqual([
        expect.objectContaining({ ...FIELDS, level: 50, msg: expect.stringMatching(SENTENCE) }),
      ]);
    });
  });

  describe('O9, O10: has sentence and stack as text, and no secret, with', () => {
    it.each<[string, () => LoggerService]>([
      ["Nest's console logger", () => new ConsoleLogger({ colors: false })],
      ['a logger that expects a string', () => new HandWritten()],
    ])('%s', async (_, make) => {
      await withLogger(make(), fail);
      const text = written.filter((line) => line.includes('broken')).join('');
      expect(text).toMatch(/Task broken \([\w-]+\) failed after 1 attempt, .*: TypeError: no conn/);
      expect(text).toMatch(/TypeError: no connection to redis:\/\/\*\*\*@host\n {4}at /);
      expect(text).not.toMatch(/undefined|Object\(|s3cret|:pw@/);
    });
  });

  it('O10: goes to stderr if the logger throws, and no slot is lost', async () => {
    await withLogger(
      { log: () => undefined, warn: () => undefined, error: throwAway },
      async (runner) => {
        await fail(runner);
        await expect(runner.addTask(() => undefined).whenSettled()).resolves.toMatchObject({
          status: 'completed',
        });
      },
      { queues: { default: { concurrency: 1 } } },
    );
    expect(written.join('')).toMatch(
      /\[BackgroundTasks\] ERROR Task broken .*\n {0}TypeError: .*\n {4}at [^]*The logger did not take this line: Error: disk full\n$/,
    );
  });

  it('O11: cannot be forged by a name, a message, an error, a hook or a listener', async () => {
    const forged = '\u001b[2K\r\n[Nest] 1  - 1/1/2026     LOG [Auth] admin logged in\u2028\u202e';
    const thrown = (): never => {
      throw Object.assign(new Error(forged), {
        name: `Error${forged}`,
        code: forged,
        stack: `Error: ${forged}\n    at fine (file.js:1:1)${forged}\n\tat last`,
        cause: forged,
      });
    };
    await withLogger(
      new ConsoleLogger({ colors: false }),
      async (runner) => {
        runner.around(thrown);
        runner.events.subscribe(thrown);
        runner.addTask({ name: `mail${forged}` }, () => {
          currentTask().log(forged);
          thrown();
        });
        await runner.whenIdle();
      },
      { logEvents: true },
    );
    const own = written
      .join('')
      .split('\n')
      .filter((line) => line.includes('admin logged in'));
    expect(own.length).toBeGreaterThan(8);
    for (const line of own) {
      expect(line).toMatch(/^\[Nest\] \d+  - .+ \[BackgroundTasks\] (Task|A) |^Error\\x1b| {4}at /);
      // oxlint-disable-next-line no-control-regex -- they are what must not be there
      expect(line).not.toMatch(/[\u0000-\u001f\u2028\u202e]/);
    }
  });

  it('O11: escapes the lines of an engine about its store', () => {
    const logger = { error: jest.fn() };
    new Log(logger as unknown as LoggerService).error('Redis a\nb://u:pw@h: gone');
    expect(String(logger.error.mock.calls[0])).toBe('Redis a\\nb://***@h: gone');
  });

  it('has the life of a task at debug with logEvents', async () => {
    let ids: string[] = [];
    await withLogger(
      new ConsoleLogger({ colors: false }),
      async (runner) => {
        const done = runner.addTask({ name: 'mail' }, () => currentTask().progress(1));
        const cancelled = runner.addTask({ name: 'mail', delay: '1h' }, () => undefined);
        await cancelled.cancel();
        await runner.whenIdle();
        ids = [done.id, cancelled.id];
      },
      { logEvents: true },
    );
    expect(lifeOf(ids[0])).toEqual([
      'was added to default',
      'was released',
      'started, attempt 1',
      'reported progress',
      'completed',
    ]);
    expect(lifeOf(ids[1])).toEqual(['was added to default', 'was released', 'was cancelled']);
  });
});

it('the latest lines of a task are kept with it, each cut to a bound', async () => {
  const { clock, runner } = createKit();
  const { id } = runner.addTask(() => {
    const { log } = currentTask();
    Array.from({ length: 150 }, (_, index) => log(`line ${index}`));
    log('x'.repeat(5_000));
  });
  await clock.settle();
  const { logs } = (await runner.get(id)) ?? { logs: [] };
  expect(logs).toHaveLength(100);
  expect(logs[0]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z line 51$/);
  expect(logs.at(-1)).toMatch(/ x{1000}…$/);
});

describe('the log', () => {
  it('has a warning for each failed attempt, and an error for the last', async () => {
    const { clock, runner, logger } = createKit({
      retry: { attempts: 3, delay: '1s', jitter: 'none' },
    });
    const { id } = runner.addTask({ name: 'mail' }, () => Promise.reject(new Error('no')));
    await clock.advance(1e6);
    expect(logger.of('warn')).toEqual([
      `Task mail (${id}) failed in attempt 1 of 3, the next one follows in 1000 ms: Error: no`,
      `Task mail (${id}) failed in attempt 2 of 3, the next one follows in 2000 ms: Error: no`,
    ]);
    expect(logger.of('error')).toEqual([
      expect.stringMatching(
        new RegExp(
          `^Task mail \\(${id}\\) failed after 3 attempts, the last one of 0 ms: Error: no\nError`,
        ),
      ),
    ]);
  });

  it('warns of a task that its failed request dropped, and of no task for failures', async () => {
    const { handle, logger } = createKit();
    const failing = handle((tasks) => {
      tasks.addTask({ name: 'mail' }, () => undefined);
      throw new Error('refused');
    });
    await expect(failing).rejects.toThrow('refused');
    await handle((tasks) => tasks.addTask({ name: 'audit', when: 'failure' }, () => undefined));
    expect(logger.of('warn')).toEqual([
      expect.stringMatching(/^Task mail \(.+\) was dropped: its request failed$/),
    ]);
    expect(logger.of('debug')).toEqual([
      expect.stringMatching(/^Task audit \(.+\) was dropped: its request succeeded$/),
    ]);
  });
});
