import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConsoleLogger, Controller, Get, Injectable, Logger } from '@nestjs/common';
import { LoggerModule, Logger as PinoLogger } from 'nestjs-pino';
import {
  Background,
  type BackgroundTasks,
  type BackgroundTasksOptions,
  Tasks,
} from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { outputOf } from '../support/child-app.js';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import type { AppSetup } from '../support/root-module.js';
import { startApp } from '../support/running-app.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

// nest-winston is CommonJS and requires Nest, which Node.js can load and jest cannot.
const lines = new Map<string, string>();

describe('winston', () => {
  beforeAll(async () => {
    const output = await outputOf('winston-lines.ts');
    for (const line of output.split('\n').filter((each) => each.includes('TypeError'))) {
      const [format, text] = JSON.parse(line) as [string, string];
      lines.set(format, (lines.get(format) ?? '') + text);
    }
  });

  it.each(['json', 'simple', 'printf', 'nestLike'])(
    'O9, O10: nest-winston in the format %s() has sentence and stack, and nothing secret',
    (format) => {
      const text = lines.get(format);
      expect(text).toMatch(
        /Task broken \([\w-]+\) failed after 1 attempt, .*: TypeError: none at /,
      );
      expect(text).toMatch(/TypeError: none at redis:\/\/\*\*\*@host(\n|\\n) {4}at /);
      expect(text).not.toMatch(/undefined|s3cret|:pw@/);
    },
  );

  it('O10: nest-winston has the same fields as every logger of JSON', () => {
    expect(JSON.parse(lines.get('json') ?? '')).toMatchObject({
      level: 'error',
      context: 'BackgroundTasks',
      event: 'failed',
      taskName: 'broken',
      queue: 'default',
      attempt: 1,
      durationMs: expect.any(Number),
      message: expect.stringMatching(/^Task broken /),
      error: { name: 'TypeError', message: 'none at redis://***@host', code: 'E_NONE' },
      stack: expect.stringMatching(/^TypeError: none at redis:\/\/\*\*\*@host\n {4}at /),
    });
  });
});

interface Line {
  readonly event?: string;
  readonly taskName?: string;
  readonly req?: { readonly id: unknown };
  readonly request?: string;
}

@Injectable()
class Mailer {
  @Background({ name: 'mail', retry: { attempts: 2, delay: 0 } })
  async send(): Promise<void> {
    throw new Error('no mail server');
  }
}

@Controller()
class MailController {
  constructor(private readonly mailer: Mailer) {}

  @Get()
  get(@Tasks() tasks: BackgroundTasks): string {
    tasks.addTask(this.mailer.send);
    return 'accepted';
  }
}

const written: Line[] = [];
const requests = new AsyncLocalStorage<string>();
const mixin = (): object => ({ request: requests.getStore() });
const stream = { write: (line: string): void => void written.push(JSON.parse(line) as Line) };

/** What the log says about the task of one request. */
async function linesOfRequest(
  platform: Platform,
  options: BackgroundTasksOptions,
): Promise<Line[]> {
  const setup: AppSetup = {
    options,
    imports: [LoggerModule.forRoot({ pinoHttp: [{ level: 'info', mixin }, stream] })],
    controllers: [MailController],
    providers: [Mailer],
    configure: (nest) => nest.useLogger(nest.get(PinoLogger)),
  };
  const app = await startApp(platform, setup, { bufferLogs: true });
  await app.request('/');
  await app.runner.whenIdle();
  return written.filter(({ taskName }) => taskName === 'mail');
}

/** How each numbers its requests. */
const ID: Record<string, unknown> = { Express: expect.any(Number), Fastify: 'req-1' };

describe('log context', () => {
  afterEach(() => {
    Logger.overrideLogger(new ConsoleLogger());
    written.length = 0;
  });

  onEachPlatform((platform) => {
    it('O20: failures and retries of a task have the req.id of its request in nestjs-pino', async () => {
      const req = { id: ID[platform.name] };
      expect(await linesOfRequest(platform, {})).toMatchObject([
        { event: 'retrying', req },
        { event: 'failed', req },
      ]);
    });

    it('O20: failures and retries of a stored task have what is carried', async () => {
      const request = 'r-4711';
      const options: BackgroundTasksOptions = {
        engine: journal({ path: await temporaryFolder() }),
        carry: {
          capture: () => request,
          restore: (carried, run) => requests.run(String(carried), run),
        },
      };
      expect(await linesOfRequest(platform, options)).toMatchObject([
        { event: 'retrying', request },
        { event: 'failed', request },
      ]);
    });
  });
});
