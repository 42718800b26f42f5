import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Get } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TaskRunner } from 'nestjs-background-tasks';
import { createAdapter } from '../support/create-adapter.js';
import { rootModule } from '../support/root-module.js';

// Answers pings, idle or while it drains a queue of no-op tasks, as it is told.

@Controller()
class PingController {
  @Get('ping')
  ping(): string {
    return 'pong';
  }
}

const [platform = '', tasks = ''] = process.argv.slice(2);
const app = await NestFactory.create(
  rootModule({ controllers: [PingController] }),
  createAdapter(platform),
  { logger: false },
);
await app.listen(0, '127.0.0.1');
const runner = app.get(TaskRunner);
const noop = async (): Promise<void> => {
  // Nothing: what is measured is the engine.
};

async function fill(): Promise<void> {
  await runner.pause();
  for (let count = 0; count < Number(tasks); count++) {
    runner.addTask(noop);
  }
  console.log('filled');
}

async function drain(): Promise<void> {
  const startedAt = performance.now();
  await runner.resume();
  await runner.whenIdle();
  console.log(`drained in ${performance.now() - startedAt} ms`);
}

process.on('message', (message) => void (message === 'fill' ? fill() : drain()));
process.channel?.unref();
const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
console.log(`port ${port}`);
