import { afterEach, describe, expect, it } from '@jest/globals';
import {
  BadRequestException,
  Controller,
  Injectable,
  Module,
  Param,
  Post,
  type INestApplication,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Background, BackgroundTasks, BackgroundTasksModule, Tasks } from 'nestjs-background-tasks';
import { BackgroundTasksTesting, type TestingMode } from 'nestjs-background-tasks/testing';
import request from 'supertest';
import { LogBook } from '../../support/log-book.js';
import { onEachPlatform } from '../support/platforms.js';

const ran: string[] = [];

@Injectable()
class Mailer {
  @Background({ retry: { attempts: 2, delay: '1m', jitter: 'none' } })
  async sendWelcome(name: string): Promise<void> {
    if (name === 'nobody') {
      throw new Error('no such user');
    }
    ran.push(`welcome ${name}`);
  }
}

function audit(name: string): void {
  ran.push(`audit ${name}`);
}

@Controller('users')
class UsersController {
  constructor(private readonly mailer: Mailer) {}

  @Post(':name')
  async create(@Param('name') name: string, @Tasks() tasks: BackgroundTasks): Promise<object> {
    tasks.addTask({ when: 'always' }, audit, name);
    await this.mailer.sendWelcome(name);
    if (name === 'eve') {
      throw new BadRequestException();
    }
    return { name };
  }
}

@Module({
  imports: [BackgroundTasksModule.forRoot()],
  controllers: [UsersController],
  providers: [Mailer],
})
class AppModule {}

onEachPlatform(({ createAdapter }) => {
  describe('the testing kit and supertest', () => {
    let app: INestApplication;

    async function start(mode: TestingMode): Promise<BackgroundTasksTesting> {
      ran.length = 0;
      const tasks = new BackgroundTasksTesting(mode);
      const module = await tasks
        .install(Test.createTestingModule({ imports: [AppModule] }))
        .setLogger(new LogBook())
        .compile();
      app = module.createNestApplication(createAdapter());
      await app.listen(0, '127.0.0.1');
      return tasks;
    }

    const post = (name: string): request.Test =>
      request(app.getHttpServer() as never).post(`/users/${name}`);

    afterEach(() => app.close());

    it('holds the tasks of a request until they are drained', async () => {
      const tasks = await start('manual');
      await post('ada').expect(201);
      await tasks.whenIdle();
      expect(tasks.added.map(({ status }) => status)).toEqual(['queued', 'queued']);
      expect(await tasks.runNext()).toMatchObject({ name: 'audit', args: ['ada'] });
      expect(ran).toEqual(['audit ada']);
      await tasks.drain();
      expect(ran).toEqual(['audit ada', 'welcome ada']);
    });

    it('sees the tasks that a failed handler drops, and runs none', async () => {
      const tasks = await start('fake');
      await post('eve').expect(400);
      await tasks.whenIdle();
      expect(tasks.expectAdded(audit, ['eve']).status).toBe('queued');
      expect(tasks.expectAdded(Mailer, 'sendWelcome').outcome).toEqual({
        status: 'dropped',
        reason: 'request-failed',
      });
      expect(ran).toEqual([]);
    });
  });
});
