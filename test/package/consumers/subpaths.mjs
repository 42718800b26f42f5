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
  await start(BackgroundTasksModule.forRoot(), BackgroundTasksMetricsModule.forRoot(options));
}
const { journal } = await import('nestjs-background-tasks/journal');
const { bullmq } = await import('nestjs-background-tasks/bullmq');
for (const engine of [
  journal({ path: './never-made' }),
  bullmq({ connection: 'redis://127.0.0.1:1' }),
  bullmq({ connection: 'postgres://127.0.0.1:1/tasks' }),
]) {
  await start(BackgroundTasksModule.forRoot({ engine }));
}
lines.push(await messageOf(() => import('nestjs-background-tasks/board')));
assert.deepEqual(lines, [
  'nestjs-background-tasks/metrics needs prom-client: npm install prom-client',
  'nestjs-background-tasks/metrics needs @opentelemetry/api: npm install @opentelemetry/api',
  'nestjs-background-tasks/journal needs lmdb: npm install lmdb',
  'nestjs-background-tasks/bullmq needs bullmq: npm install bullmq',
  'nestjs-background-tasks/bullmq needs bullmq: npm install bullmq',
  'nestjs-background-tasks/board needs @bull-board/api: npm install @bull-board/api',
]);
console.log(`subpaths without their peers: ${lines.length} clear lines`);

/** Notes what an application with these modules says instead of starting. */
async function start(...modules) {
  class AppModule {
    modules = modules;
  }
  Module({ imports: modules })(AppModule);
  const options = { logger: false, abortOnError: false };
  lines.push(await messageOf(() => NestFactory.createApplicationContext(AppModule, options)));
}

async function messageOf(work) {
  try {
    await work();
  } catch (error) {
    assert.equal(error.code, 'BGT_MISSING_PEER');
    return error.message;
  }
  throw new Error('nothing was said about a missing peer');
}
