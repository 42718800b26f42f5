import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  HttpCode,
  Injectable,
  Param,
  Post,
  Query,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { BackgroundTasks, Tasks } from 'nestjs-background-tasks';
import { onEachPlatform } from './support/platforms.js';
import { startApp } from './support/running-app.js';

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
