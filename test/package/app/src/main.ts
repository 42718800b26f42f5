import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { Adapter } from './adapter.js';
import { AppModule } from './app.module.js';

async function start(): Promise<void> {
  const app = await NestFactory.create(AppModule, new Adapter(), { logger: ['error', 'warn'] });
  app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  console.log(`port ${port}`);
}

void start();
