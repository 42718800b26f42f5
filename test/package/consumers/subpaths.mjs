// Every subpath, without its optional peers: it works, or one line says what to install.
import 'reflect-metadata';
import assert from 'node:assert/strict';

const { BackgroundTasksTesting } = await import('nestjs-background-tasks/testing');
assert.equal(new BackgroundTasksTesting('manual').mode, 'manual');

const { BackgroundTasksHealthIndicator } = await import('nestjs-background-tasks/health');
assert.equal(typeof BackgroundTasksHealthIndicator, 'function');

const { BackgroundTasksMetricsModule } = await import('nestjs-background-tasks/metrics');
const { BackgroundTasksModule } = await import('nestjs-background-tasks');
const { NestFactory } = await import('@nestjs/core');
const { Module } = await import('@nestjs/common');

const lines = [];
for (const options of [{ prometheus: true }, { openTelemetry: true }]) {
  class AppModule {
    options = options;
  }
  Module({
    imports: [BackgroundTasksModule.forRoot(), BackgroundTasksMetricsModule.forRoot(options)],
  })(AppModule);
  lines.push(
    await messageOf(() =>
      NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false }),
    ),
  );
}
lines.push(await messageOf(() => import('nestjs-background-tasks/board')));
assert.deepEqual(lines, [
  'nestjs-background-tasks/metrics needs prom-client: npm install prom-client',
  'nestjs-background-tasks/metrics needs @opentelemetry/api: npm install @opentelemetry/api',
  'nestjs-background-tasks/board needs @bull-board/api: npm install @bull-board/api',
]);
console.log(`subpaths without their peers: ${lines.length} clear lines`);

async function messageOf(work) {
  try {
    await work();
  } catch (error) {
    assert.equal(error.code, 'BGT_MISSING_PEER');
    return error.message;
  }
  throw new Error('nothing was said about a missing peer');
}
