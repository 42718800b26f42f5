import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import {
  ConsoleLogger,
  Controller,
  Get,
  Injectable,
  Logger,
  type INestApplication,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Logger as PinoLogger, LoggerModule } from 'nestjs-pino';
import {
  Background,
  TaskRunner,
  Tasks,
  type BackgroundTasks,
  type BackgroundTasksOptions,
} from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { createAdapter } from './support/create-adapter.js';
import { send } from './support/client.js';
import { onEachPlatform } from './support/platforms.js';
import { rootModule } from './support/root-module.js';

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
const lines: Line[] = [];
const requests = new AsyncLocalStorage<string>();
const mixin = (): object => ({ request: requests.getStore() });
const stream = { write: (line: string): void => void lines.push(JSON.parse(line) as Line) };

afterEach(async () => {
  await app?.close();
  Logger.overrideLogger(new ConsoleLogger());
  lines.length = 0;
});

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
  return lines.filter(({ taskName }) => taskName === 'mail');
}

/** How each numbers its requests. */
const ID: Record<string, unknown> = { Express: expect.any(Number), Fastify: 'req-1' };

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
