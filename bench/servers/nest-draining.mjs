// A Nest application with the built package. It is filled with tasks that do nothing, and drains them when told.
//
//   node nest-draining.mjs <express | fastify> <port>
import 'reflect-metadata';
import { Controller, Get, Inject, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';

const [, , adapter, port] = process.argv;

async function noop() {}

class DrainController {
  constructor(runner) {
    this.runner = runner;
  }

  ping() {
    return { pong: true };
  }

  async fill(tasks) {
    await this.runner.pause();
    for (let count = 0; count < Number(tasks); count += 1) this.runner.addTask(noop);
    return { filled: true };
  }

  /** Answered when no task is left. */
  async drain() {
    await this.runner.resume();
    await this.runner.whenIdle();
    return { drained: true };
  }
}

// Decorators by hand, as a compiler would apply them.
const method = (name) => Object.getOwnPropertyDescriptor(DrainController.prototype, name);
Get('ping')(DrainController.prototype, 'ping', method('ping'));
Post('fill/:tasks')(DrainController.prototype, 'fill', method('fill'));
Post('drain')(DrainController.prototype, 'drain', method('drain'));
Param('tasks')(DrainController.prototype, 'fill', 0);
Inject(TaskRunner)(DrainController, undefined, 0);
Controller()(DrainController);

const AppModule = class {};
const queues = { default: { maxPending: Infinity } };
Module({
  imports: [BackgroundTasksModule.forRoot({ queues })],
  controllers: [DrainController],
})(AppModule);

const { FastifyAdapter } = await import('@nestjs/platform-fastify');
const { ExpressAdapter } = await import('@nestjs/platform-express');
const app = await NestFactory.create(
  AppModule,
  adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter(),
  { logger: ['error', 'warn'] },
);
app.enableShutdownHooks();
await app.listen(Number(port), '127.0.0.1');
