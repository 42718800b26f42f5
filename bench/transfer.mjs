// What it takes to give 20 MB to a thread: copied, and handed over with transfer().
//
//   npm run bench:transfer
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BackgroundTasksModule } from 'nestjs-background-tasks';
import {
  BackgroundTasksThreadsModule,
  threadFunction,
  transfer,
} from 'nestjs-background-tasks/threads';
import { machine, median, progress, progressDone, table } from './figures.mjs';

const MEGABYTES = 20;
const ROUNDS = 40;

const sizeOf = threadFunction(new URL('./servers/size-of.mjs', import.meta.url), 'sizeOf');

const AppModule = class {};
Module({
  imports: [BackgroundTasksModule.forRoot(), BackgroundTasksThreadsModule.forRoot({ threads: 1 })],
})(AppModule);
const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });

const VARIANTS = {
  'nothing but the call': () => new Uint8Array(0),
  copied: (buffer) => buffer,
  'handed over': (buffer) => transfer(buffer),
};

await sizeOf(new Uint8Array(8));
const figures = new Map(Object.keys(VARIANTS).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round += 1) {
  progress(`round ${round + 1} of ${ROUNDS}`);
  for (const [name, prepare] of Object.entries(VARIANTS)) {
    const argument = prepare(new Uint8Array(MEGABYTES * 1024 * 1024).fill(1));
    const startedAt = performance.now();
    const answer = sizeOf(argument);
    const blockedMs = performance.now() - startedAt;
    const received = await answer;
    figures.get(name).push({ blockedMs, roundMs: performance.now() - startedAt });
    const isGone = argument.byteLength === 0 && name === 'handed over';
    if (received !== (name.startsWith('nothing') ? 0 : MEGABYTES * 1024 * 1024))
      throw new Error(name);
    if (name === 'handed over' && !isGone) throw new Error('It was copied.');
  }
}
progressDone();
await app.close();
console.log(
  `${MEGABYTES} MB into a thread and its length back; medians of ${ROUNDS}; ${machine()}\n`,
);
console.log(
  table(
    ['', 'event loop blocked', 'there and back', 'the fastest'],
    [...figures].map(([name, times]) => {
      const rounds = times.map(({ roundMs }) => roundMs);
      const blocked = median(times.map(({ blockedMs }) => blockedMs));
      return [name, inMs(blocked), inMs(median(rounds)), inMs(Math.min(...rounds))];
    }),
  ),
);

function inMs(value) {
  return `${value.toFixed(2)} ms`;
}
