import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, UseInterceptors } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { BackgroundTasks, BackgroundTasksInterceptor, Tasks } from '../../../lib/index.js';
import { besideAnotherCopy } from '../support/another-copy.js';
import { LogBook } from '../../support/log-book.js';

@Controller()
class LonelyController {
  @Get()
  answer(@Tasks() tasks: BackgroundTasks): string {
    tasks.addTask(() => undefined);
    return 'never';
  }
}

@Module({ controllers: [LonelyController] })
class LonelyModule {}

const FOUND_NONE = '@Tasks() found no collection for this request. ';

/** What is logged as a request is answered with 500. */
async function refusal(): Promise<string> {
  const logger = new LogBook();
  const testing = Test.createTestingModule({ imports: [LonelyModule] }).setLogger(logger);
  const app = (await testing.compile()).createNestApplication();
  await app.init();
  await request(app.getHttpServer() as never)
    .get('/')
    .expect(500);
  await app.close();
  return logger.of('error').join();
}

describe('@Tasks() in an application without the module', () => {
  it('refuses, and asks for the module', async () => {
    const asked = 'Is BackgroundTasksModule.forRoot() among the imports of the root module?';
    expect(await refusal()).toContain(FOUND_NONE + asked);
  });

  it('R8: refuses, and names both where another copy of the package has the application', async () => {
    await besideAnotherCopy(async () => {
      const said = await refusal();
      expect(said).toContain(`${FOUND_NONE}The reason: two copies of nestjs-background-tasks`);
      expect(said).toMatch(/lib.*\/app\/other/);
    });
  });
});

describe('BackgroundTasksInterceptor in an application without the module', () => {
  @Controller()
  class InterceptedController {
    @Get()
    @UseInterceptors(BackgroundTasksInterceptor)
    answer(): string {
      return 'answered';
    }
  }

  it('R8: answers, and names both copies once where another one has the application', async () => {
    const logger = new LogBook();
    const testing = Test.createTestingModule({ controllers: [InterceptedController] });
    const app = (await testing.setLogger(logger).compile()).createNestApplication();
    await app.init();
    const ask = () =>
      request(app.getHttpServer() as never)
        .get('/')
        .expect(200, 'answered');
    await ask();
    expect(logger.of('warn')).toEqual([]);
    await besideAnotherCopy(async () => {
      await ask();
      await ask();
    });
    await app.close();
    expect(logger.of('warn')).toEqual([
      expect.stringMatching(
        /^BackgroundTasksInterceptor does nothing: two copies .* The interceptor comes from .*lib.*\/app\/other/,
      ),
    ]);
  });
});
