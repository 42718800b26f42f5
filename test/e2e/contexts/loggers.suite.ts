import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ConsoleLogger,
  Controller,
  Get,
  type INestApplication,
  Injectable,
  Logger,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { LoggerModule, Logger as PinoLogger } from 'nestjs-pino';
import {
  Background,
  type BackgroundTasks,
  type BackgroundTasksOptions,
  TaskRunner,
  Tasks,
} from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { send } from '../support/client.js';
import { createAdapter } from '../support/create-adapter.js';
import { onEachPlatform } from '../support/platforms.js';
import { runProcess } from '../support/child-app.js';
import { rootModule } from '../support/root-module.js';

// nest-winston is CommonJS and requires Nest, which Node.js can load and jest cannot.
const lines = new Map<string, string>();

describe('winston', () => {
  beforeAll(async () => {
    const { output } = await runProcess('winston-lines.ts');
    for (const line of output.split('\n').filter((each) => each.includes('TypeError'))) {
      const [format, text] = JSON.parse(line) as [string, string];
      lines.set(format, (lines.get(format) ?? '') + text);
    }
  });

  it.each(['json', 'simple', 'printf', 'nestLike'])(
    'O9, O10: sentence and stack, and nothing secret, by nest-winston in the format %s()',
    (format) => {
      const text = lines.get(format);
      expect(text).toMatch(
        /Task broken \([\w-]+\) failed after 1 attempt, .*: TypeError: none at /,
      );
      expect(text).toMatch(/TypeError: none at redis:\/\/\*\*\*@host(\n|\\n) {4}at /);
      expect(text).not.toMatch(/undefined|s3cret|:pw@/);
    },
  );

  it('O10: the same fields as every logger of JSON has, by nest-winston', () => {
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

let app: INestApplication | undefined;
const written: Line[] = [];
const requests = new AsyncLocalStorage<string>();
const mixin = (): object => ({ request: requests.getStore() });
const stream = {
  write: (line: string): void => void written.push(JSON.parse(line) as Line),
};

/** What the log says about the task of one request. */
async function linesOfRequest(platform: string, options: BackgroundTasksOptions): Promise<Line[]> {
  app = await NestFactory.create(
    rootModule({
      options,
      imports: [LoggerModule.forRoot({ pinoHttp: [{ level: 'info', mixin }, stream] })],
      controllers: [MailController],
      providers: [Mailer],
    }),
    createAdapter(platform),
    { bufferLogs: true },
  );
  app.useLogger(app.get(PinoLogger));
  await app.listen(0, '127.0.0.1');
  await send(((app.getHttpServer() as Server).address() as AddressInfo).port, '/');
  await app.get(TaskRunner).whenIdle();
  return written.filter(({ taskName }) => taskName === 'mail');
}

/** How each numbers its requests. */
const ID: Record<string, unknown> = { Express: expect.any(Number), Fastify: 'req-1' };

describe('log context', () => {
  afterEach(async () => {
    await app?.close();
    Logger.overrideLogger(new ConsoleLogger());
    written.length = 0;
  });

  onEachPlatform(({ name }) => {
    it('O20: failures and retries of a task have the req.id of its request in nestjs-pino', async () => {
      const found = await linesOfRequest(name, {});
      expect(found).toMatchObject([
        { event: 'retrying', req: { id: ID[name] } },
        { event: 'failed', req: { id: ID[name] } },
      ]);
    });

    it('O20: where they are stored, they have what is carried', async () => {
      const path = mkdtempSync(join(tmpdir(), 'log-context-'));
      const found = await linesOfRequest(name, {
        engine: journal({ path }),
        carry: {
          capture: () => 'r-4711',
          restore: (carried, run) => requests.run(String(carried), run),
        },
      });
      expect(found).toMatchObject([
        { event: 'retrying', request: 'r-4711' },
        { event: 'failed', request: 'r-4711' },
      ]);
      await app?.close();
      rmSync(path, { recursive: true });
    });
  });
});
