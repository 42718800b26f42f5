// The time to give a large buffer to a thread: copied, or handed over with transfer().
//
//   npm run bench:transfer -- --rounds 40 --megabytes 20
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BackgroundTasksModule } from 'nestjs-background-tasks';
import {
  BackgroundTasksThreadsModule,
  threadFunction,
  transfer,
} from 'nestjs-background-tasks/threads';
import { fixed, median, progress, progressDone } from './figures.mjs';
import { benchmarkOptions } from './options.mjs';
import { report } from './report.mjs';

const VARIANTS = {
  'nothing but the call': () => new Uint8Array(0),
  copied: (buffer) => buffer,
  'handed over': (buffer) => transfer(buffer),
};
const { rounds, megabytes, chosen, write } = benchmarkOptions(
  { rounds: 40, megabytes: 20 },
  Object.keys(VARIANTS),
);

const sizeOf = threadFunction(new URL('./servers/size-of.mjs', import.meta.url), 'sizeOf');

const AppModule = class {};
Module({
  imports: [BackgroundTasksModule.forRoot(), BackgroundTasksThreadsModule.forRoot({ threads: 1 })],
})(AppModule);
const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });

await sizeOf(new Uint8Array(8));
const figures = new Map(chosen.map((name) => [name, []]));
for (let round = 0; round < rounds; round += 1) {
  progress(`round ${round + 1} of ${rounds}`);
  for (const name of chosen) {
    const argument = VARIANTS[name](new Uint8Array(megabytes * 1024 * 1024).fill(1));
    const startedAt = performance.now();
    const answer = sizeOf(argument);
    const blockedMs = performance.now() - startedAt;
    const received = await answer;
    figures.get(name).push({ blockedMs, roundMs: performance.now() - startedAt });
    const isGone = argument.byteLength === 0 && name === 'handed over';
    if (received !== (name.startsWith('nothing') ? 0 : megabytes * 1024 * 1024))
      throw new Error(name);
    if (name === 'handed over' && !isGone) throw new Error('It was copied.');
  }
}
progressDone();
await app.close();
await report({
  write,
  heading: `${megabytes} MB into a thread and its length back; medians of ${rounds} rounds`,
  tables: [
    {
      name: 'buffers',
      head: ['', 'event loop blocked', 'there and back', 'the fastest'],
      rows: [...figures].map(([name, times]) => {
        const all = times.map(({ roundMs }) => roundMs);
        const blocked = median(times.map(({ blockedMs }) => blockedMs));
        const cells = [blocked, median(all), Math.min(...all)];
        return [name].concat(cells.map((ms) => fixed(ms, 2, ' ms')));
      }),
    },
  ],
});
