import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { BackgroundTasks, Tasks } from '../../../lib/index.js';
import { RecordingLogger } from '../support/recording-logger.js';

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

describe('@Tasks() in an application without the module', () => {
  it('refuses, and asks for the module', async () => {
    const logger = new RecordingLogger();
    const testing = Test.createTestingModule({ imports: [LonelyModule] }).setLogger(logger);
    const app = (await testing.compile()).createNestApplication();
    await app.init();
    await request(app.getHttpServer() as never)
      .get('/')
      .expect(500);
    await app.close();
    expect(logger.of('error').join()).toContain(
      '@Tasks() found no collection for this request. ' +
        'Is BackgroundTasksModule.forRoot() among the imports of the root module?',
    );
  });
});
