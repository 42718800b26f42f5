import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TaskRunner } from 'nestjs-background-tasks';
import { AppModule } from './app.module.js';
import { curlLines } from './curl-lines.js';
import { printTimeline } from './timeline.js';

const { PORT, HOST, ADAPTER } = process.env;

const adapter = ADAPTER === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
const app = await NestFactory.create(AppModule, adapter);
// Without this line SIGTERM ends the process at once, and its tasks with it.
app.enableShutdownHooks(['SIGTERM', 'SIGINT']);
printTimeline(app.get(TaskRunner).events, (line) => console.log(line));
await app.listen(PORT || 3000, HOST || '127.0.0.1');
console.log(curlLines(await app.getUrl()));
