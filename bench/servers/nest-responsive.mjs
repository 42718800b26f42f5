// A Nest application on Express with the built package: `inline` burns on the event loop, `threads` in a thread.
import 'reflect-metadata';
import { Controller, Get, Inject, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BackgroundTasksModule, TaskRunner, Tasks } from 'nestjs-background-tasks';
import { BackgroundTasksThreadsModule, threadFunction } from 'nestjs-background-tasks/threads';
import { burn } from './burn.mjs';

const [, , mode, port] = process.argv;
const BURN_MS = 50;

const work =
  mode === 'threads' ? threadFunction(new URL('./burn.mjs', import.meta.url), 'burn') : burn;

class LoadController {
  constructor(runner) {
    this.runner = runner;
  }

  ping() {
    return { pong: true };
  }

  burn(tasks) {
    tasks.addTask({ name: 'burn' }, work, BURN_MS);
    return { added: true };
  }

  async burned() {
    const { completed = 0, failed = 0 } = (await this.runner.stats()).tasks.burn ?? {};
    return { completed, failed };
  }
}

// Decorators by hand, as a compiler would apply them.
const method = (name) => Object.getOwnPropertyDescriptor(LoadController.prototype, name);
Get('ping')(LoadController.prototype, 'ping', method('ping'));
Post('burn')(LoadController.prototype, 'burn', method('burn'));
Get('burned')(LoadController.prototype, 'burned', method('burned'));
Tasks()(LoadController.prototype, 'burn', 0);
Inject(TaskRunner)(LoadController, undefined, 0);
Controller()(LoadController);

const AppModule = class {};
Module({
  imports: [BackgroundTasksModule.forRoot(), BackgroundTasksThreadsModule.forRoot()],
  controllers: [LoadController],
})(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
app.enableShutdownHooks();
await app.listen(Number(port), '127.0.0.1');
