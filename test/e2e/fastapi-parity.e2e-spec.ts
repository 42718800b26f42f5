import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  HttpCode,
  Injectable,
  Param,
  Post,
  Query,
  UseGuards,
} from '@nestjs/common';
import { BackgroundTasks, type TaskHandle, Tasks } from 'nestjs-background-tasks';
import { type Platform, onEachPlatform } from './support/platforms.js';
import { runProcess } from './support/process.js';
import { type RunningApp, startApp } from './support/running-app.js';

describe("FastAPI's own tests of background tasks", () => {
  let directory = '';
  let log = '';

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'fastapi-parity-'));
    log = join(directory, 'log.txt');
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  onEachPlatform((platform) => {
    it('P1: the tutorial: a notification is written after the response', async () => {
      const writeNotification = async (email: string, message = ''): Promise<void> => {
        await appendFile(log, `notification for ${email}: ${message}\n`);
      };

      @Controller('send-notification')
      class NotificationsController {
        constructor(private readonly tasks: BackgroundTasks) {}

        @Post(':email')
        @HttpCode(200)
        send(@Param('email') email: string): object {
          this.tasks.addTask(writeNotification, email, 'some notification');
          return { message: 'Notification sent in the background' };
        }
      }

      const app = await startApp(platform, { controllers: [NotificationsController] });
      const { status, body } = await app.request('/send-notification/foo@example.com', {
        method: 'POST',
      });
      expect(status).toBe(200);
      expect(JSON.parse(body)).toEqual({ message: 'Notification sent in the background' });
      await app.untilSettled(1);
      expect(await readFile(log, 'utf8')).toBe(
        'notification for foo@example.com: some notification\n',
      );
    });

    it('P2: the tutorial: tasks of a dependency and of the handler are merged, in order', async () => {
      const writeLog = (message: string): Promise<void> => appendFile(log, message);

      @Injectable()
      class QueryGuard implements CanActivate {
        constructor(private readonly tasks: BackgroundTasks) {}

        canActivate(context: ExecutionContext): boolean {
          const { query } = context.switchToHttp().getRequest<{ query: { q?: string } }>();
          if (query.q !== undefined) {
            this.tasks.addTask(writeLog, `found query: ${query.q}\n`);
          }
          return true;
        }
      }

      @Controller('send-notification')
      @UseGuards(QueryGuard)
      class NotificationsController {
        @Post(':email')
        @HttpCode(200)
        send(
          @Param('email') email: string,
          @Query('q') _q: string | undefined,
          @Tasks() tasks: BackgroundTasks,
        ): object {
          tasks.addTask(writeLog, `message to ${email}\n`);
          return { message: 'Message sent' };
        }
      }

      const app = await startApp(platform, { controllers: [NotificationsController] });
      const { status, body } = await app.request(
        '/send-notification/foo@example.com?q=some-query',
        { method: 'POST' },
      );
      expect(status).toBe(200);
      expect(JSON.parse(body)).toEqual({ message: 'Message sent' });
      await app.untilSettled(2);
      expect(await readFile(log, 'utf8')).toBe(
        'found query: some-query\nmessage to foo@example.com\n',
      );
    });
  });
});

interface Failing {
  readonly app: RunningApp;
  readonly handles: TaskHandle[];
}

async function startFailing(platform: Platform): Promise<Failing> {
  const handles: TaskHandle[] = [];
  const bodies: Record<string, () => unknown> = {
    throws: () => {
      throw new TypeError('out of order');
    },
    rejects: () => Promise.reject(new TypeError('out of order')),
    // What people throw is not always an error.
    throwsText: () => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw 'out of order';
    },
    throwsNothing: () => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw undefined;
    },
  };

  @Controller()
  class FailingController {
    @Get('bodies/:name')
    body(@Param('name') name: string, @Tasks() tasks: BackgroundTasks): string {
      handles.push(
        tasks.addTask({ name }, bodies[name] ?? (() => undefined)),
        tasks.addTask({ name: 'next' }, () => undefined),
      );
      return 'fine';
    }
  }

  const app = await startApp(platform, { controllers: [FailingController] });
  return { app, handles };
}

onEachPlatform((platform) => {
  it.each([
    { name: 'throws', says: 'TypeError: out of order', stack: /\n\s+at / },
    { name: 'rejects', says: 'TypeError: out of order', stack: /\n\s+at / },
    { name: 'throwsText', says: 'out of order', stack: /^.*$/ },
    { name: 'throwsNothing', says: 'undefined', stack: /^.*$/ },
  ])('P11: a body that fails ($name) hurts no other task', async ({ name, says, stack }) => {
    const { app, handles } = await startFailing(platform);
    const unhandled: unknown[] = [];
    const listener = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', listener);

    await app.request(`/bodies/${name}`);
    const outcomes = await Promise.all(handles.map((handle) => handle.whenSettled()));
    // Unhandled rejections are told of at the end of a turn of the event loop.
    await new Promise(setImmediate);
    process.off('unhandledRejection', listener);

    expect(outcomes).toMatchObject([{ status: 'failed', attempts: 1 }, { status: 'completed' }]);
    expect(unhandled).toEqual([]);
    const [line, ...others] = app.log.ofTasks('error');
    expect(others).toEqual([]);
    expect(line?.message).toContain(`${name} (${handles[0]?.id ?? ''}) failed after 1 attempt`);
    expect(line?.message).toContain(says);
    expect(line?.message).toMatch(stack);
    // And the application goes on.
    expect((await app.request('/bodies/none')).body).toBe('fine');
    expect(await app.untilSettled(4)).toMatchObject([{}, {}, { name: 'none' }, { name: 'next' }]);
  });
});

onEachPlatform(({ name }) => {
  it('app.close() leaves nothing open: the process ends by itself', async () => {
    const ended = await runProcess('serve-once.ts', [name]);

    expect(ended).toMatchObject({ code: 0, signal: null, errors: '' });
    expect(ended.output.split('\n')).toEqual(['answered', 'the task ran', 'closed', '0', '']);
  });
});
