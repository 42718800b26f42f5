import { Controller, Injectable, Module, Post, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  Background,
  BackgroundTasksModule,
  TaskRunner,
  currentTask,
} from 'nestjs-background-tasks';
import { BackgroundTasksBoardModule, type BoardOptions } from 'nestjs-background-tasks/board';

export const PLATFORMS = {
  Express: () => new ExpressAdapter(),
  Fastify: () => new FastifyAdapter(),
} as const;
export type Platform = keyof typeof PLATFORMS;

@Injectable()
export class Mailer {
  isBroken = true;

  @Background({ queue: 'emails' })
  async sendWelcome(user: object): Promise<void> {
    const { log, progress } = currentTask();
    log('connecting <b>to</b> the mail server');
    progress(50);
    if (this.isBroken) {
      throw new Error(`no connection for <img src=x onerror="document.title='hacked'">`);
    }
    progress(Object.keys(user).length);
  }
}

@Controller()
class UsersController {
  constructor(private readonly mailer: Mailer) {}

  @Post('users')
  async create(): Promise<void> {
    await this.mailer.sendWelcome({ name: '<script>document.title="hacked"</script>' });
  }
}

export interface BoardApp {
  readonly app: INestApplication;
  readonly url: string;
  readonly runner: TaskRunner;
  readonly mailer: Mailer;
}

export async function startBoard(platform: Platform, options?: BoardOptions): Promise<BoardApp> {
  @Module({
    imports: [
      BackgroundTasksModule.forRoot({ queues: { emails: {} }, logEvents: false }),
      BackgroundTasksBoardModule.forRoot(options),
    ],
    controllers: [UsersController],
    providers: [Mailer],
  })
  class AppModule {}

  const app = await NestFactory.create(AppModule, PLATFORMS[platform](), {
    logger: false,
    abortOnError: false,
  });
  await app.listen(0, '127.0.0.1');
  return { app, url: await app.getUrl(), runner: app.get(TaskRunner), mailer: app.get(Mailer) };
}
