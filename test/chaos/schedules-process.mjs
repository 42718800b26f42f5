// A process to be killed. It makes the ticks of schedules, but runs none of their tasks. Its one
// argument is JSON: the setting of schedules.ts.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Background, BackgroundTasksModule } from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';

const { url, schedules } = JSON.parse(process.argv[2]);

function Jobs() {}
for (const { name, queue, options } of schedules) {
  const descriptor = { value: () => undefined, configurable: true, writable: true };
  Background({ name, queue, ...options })(Jobs.prototype, name, descriptor);
  Object.defineProperty(Jobs.prototype, name, descriptor);
}

function SchedulesModule() {}
Module({
  imports: [
    BackgroundTasksModule.forRoot({
      engine: bullmq({ connection: url, role: 'producer' }),
      queues: Object.fromEntries(schedules.map(({ queue }) => [queue, { maxPending: Infinity }])),
    }),
  ],
  providers: [Jobs],
})(SchedulesModule);

const app = await NestFactory.createApplicationContext(SchedulesModule, {
  logger: ['log', 'warn', 'error'],
});
app.enableShutdownHooks();
