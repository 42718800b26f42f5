import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  HttpCode,
  Injectable,
  Param,
  Post,
  Query,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { BackgroundTasks, Tasks, type RequestOptions } from 'nestjs-background-tasks';
import { onEachPlatform, type Platform } from './support/platforms.js';
import { startApp, type RunningApp } from './support/running-app.js';

/** An application that answers `text`, with what `add` adds behind it. */
async function startAnswering(
  platform: Platform,
  text: string,
  add: (tasks: BackgroundTasks) => void,
  request?: RequestOptions,
): Promise<RunningApp> {
  @Controller()
  class AnsweringController {
    @Get()
    get(@Tasks() tasks: BackgroundTasks): string {
      add(tasks);
      return text;
    }
  }
  return startApp(platform, { controllers: [AnsweringController], options: { request } });
}

describe("Starlette's own tests of background tasks", () => {
  onEachPlatform((platform) => {
    it('P1: an asynchronous task', async () => {
      let isComplete = false;
      const app = await startAnswering(platform, 'task initiated', (tasks) => {
        tasks.addTask(async () => {
          await new Promise(setImmediate);
          isComplete = true;
        });
      });

      const { status, body } = await app.request('/');
      expect({ status, body }).toEqual({ status: 200, body: 'task initiated' });
      expect(isComplete).toBe(false);
      await app.untilSettled(1);
      expect(isComplete).toBe(true);
    });

    it('P1: a synchronous task', async () => {
      let isComplete = false;
      const app = await startAnswering(platform, 'task initiated', (tasks) => {
        tasks.addTask(() => {
          isComplete = true;
        });
      });

      const { status, body } = await app.request('/');
      expect({ status, body }).toEqual({ status: 200, body: 'task initiated' });
      await app.untilSettled(1);
      expect(isComplete).toBe(true);
    });

    it('P2: several tasks', async () => {
      let counter = 0;
      const increment = (amount: number): void => {
        counter += amount;
      };
      const app = await startAnswering(platform, 'tasks initiated', (tasks) => {
        tasks.addTask(increment, 1);
        tasks.addTask(increment, 2);
        tasks.addTask(increment, 3);
      });

      const { status, body } = await app.request('/');
      expect({ status, body }).toEqual({ status: 200, body: 'tasks initiated' });
      await app.untilSettled(3);
      expect(counter).toBe(1 + 2 + 3);
    });

    it("P2: under onFailure: 'stop' a failure avoids the next execution", async () => {
      let counter = 0;
      const increment = (): void => {
        counter += 1;
        if (counter === 1) {
          throw new Error('task failed');
        }
      };
      const addTwo = (tasks: BackgroundTasks): void => {
        tasks.addTask(increment);
        tasks.addTask(increment);
      };
      const app = await startAnswering(platform, 'tasks initiated', addTwo, { onFailure: 'stop' });

      // Theirs breaks the request; here it has been answered, and stays so.
      const { status, body } = await app.request('/');
      expect({ status, body }).toEqual({ status: 200, body: 'tasks initiated' });
      expect(await app.untilSettled(2)).toMatchObject([
        { type: 'failed', error: { message: 'task failed' } },
        { type: 'dropped', reason: 'predecessor-failed' },
      ]);
      expect(counter).toBe(1);
    });
  });
});

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

  async function failToWrite(email: string): Promise<void> {
    await appendFile(join(directory, 'no such directory', 'log.txt'), email);
  }

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

    it('P11: a failing task is logged and leaves the response alone', async () => {
      @Controller('send-notification')
      class NotificationsController {
        @Post(':email')
        @HttpCode(200)
        send(@Param('email') email: string, @Tasks() tasks: BackgroundTasks): object {
          tasks.addTask(failToWrite, email);
          return { message: 'Notification sent in the background' };
        }
      }

      const app = await startApp(platform, { controllers: [NotificationsController] });
      const { status, body } = await app.request('/send-notification/foo@example.com', {
        method: 'POST',
      });
      await app.untilSettled(1);
      expect(status).toBe(200);
      expect(JSON.parse(body)).toEqual({ message: 'Notification sent in the background' });
      expect(app.log.ofTasks('error')).toMatchObject([
        { message: expect.stringMatching(/Task failToWrite \(.+\) failed .*ENOENT/) },
      ]);
    });
  });
});
