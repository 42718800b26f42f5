import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';
import request from 'supertest';
import { BoardModule } from '../../../sample/board/board.module.js';
import { HealthModule } from '../../../sample/health/health.module.js';
import { MetricsModule } from '../../../sample/metrics/metrics.module.js';
import { parseExposition } from '../../unit/metrics/exposition.js';

@Module({
  imports: [BackgroundTasksModule.forRoot(), HealthModule, MetricsModule, BoardModule],
})
class AppModule {}

describe('what the sample serves to those who operate it', () => {
  let app: INestApplication;

  beforeAll(async () => {
    app = await NestFactory.create(AppModule, { logger: false });
    await app.listen(0, '127.0.0.1');
    const runner = app.get(TaskRunner);
    runner.addTask({ name: 'mail' }, () => undefined);
    await runner.whenIdle();
  });
  afterAll(() => app.close());

  const get = (path: string): request.Test => request(app.getHttpServer() as never).get(path);

  it('GET /health', async () => {
    const { body } = await get('/health').expect(200);
    expect(body).toMatchObject({ status: 'ok', info: { tasks: { status: 'up' } } });
  });

  it('GET /metrics', async () => {
    const { text } = await get('/metrics')
      .expect(200)
      .expect('content-type', /^text\/plain/);
    const { samples } = parseExposition(text).get('background_tasks_settled_total') ?? {};
    expect(samples).toEqual([
      {
        name: 'background_tasks_settled_total',
        labels: { queue: 'default', task: 'mail', status: 'completed' },
        value: 1,
      },
    ]);
  });

  it('GET /tasks', async () => {
    const { status, text } = await get('/tasks/');
    expect([status, text.includes('<title>Background tasks</title>')]).toEqual([200, true]);
  });
});
