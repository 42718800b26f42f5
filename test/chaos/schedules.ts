// Many processes with different clocks have the same schedules, and are killed one after the other. Is each
// tick stored exactly once?
//
//   npm run chaos:schedules -- --engine redis --processes 8
//   npm run chaos:schedules -- --engine postgres --processes 4 --ticks 1000
//
// Needs `faketime`. Fails if a tick was lost or doubled.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';
import { bullmq } from '../../lib/engine/bullmq/index.js';
import { ENGINE, type Engine, type ScheduleStore } from '../../lib/engine/engine.js';
import { decode, encode, RECORD_VERSION } from '../../lib/schedule/schedule-record.js';
import { postgresServer, redisServer } from '../support/servers.js';
import { optionsOf } from './options.js';

const PROGRAM = fileURLToPath(new URL('schedules-process.mjs', import.meta.url));
const KILL_EVERY_MS = 2_000;
const MOST_OFF_S = 5;

const said = optionsOf(
  { processes: 8, schedules: 10, every: 200, ticks: 10_000 },
  { engine: ['redis', 'postgres'] },
);
const EVERY_MS = said.every;
const store = await (said.engine === 'postgres' ? postgresServer() : redisServer());
const schedules = Array.from({ length: said.schedules }, (_, index) => ({
  name: `schedule-${index}`,
  queue: `queue-${index}`,
  options: { every: EVERY_MS, overlap: 'allow' as const },
}));
// Not `faketime` itself: it would be killed in place of its child.
const library = execFileSync('faketime', ['-f', '+0s', 'printenv', 'LD_PRELOAD'], {
  encoding: 'utf8',
}).trim();
const living: ChildProcess[] = [];
/** The processes that have begun to make ticks. */
const ticking = new Set<ChildProcess>();
const output: string[] = [];
let kills = 0;

try {
  await store.start();
  const { records, runner } = await observe(store.url);
  const { now: from } = await records.load();
  for (const { name, queue, options } of schedules) {
    const record = { v: RECORD_VERSION, options, queue, last: from, seen: from };
    await records.swap(name, undefined, encode(record));
  }
  for (let count = 0; count < said.processes; count += 1) {
    living.push(start());
  }
  let made: Map<string, number>;
  do {
    await sleep(KILL_EVERY_MS);
    made = await ticksSince(records, from);
    const victim = living.find((child) => ticking.has(child));
    if (victim !== undefined) {
      living.splice(living.indexOf(victim), 1, start());
      void kill(victim);
      kills += 1;
    }
    process.stderr.write(`${kills} killed, ${sum(made.values())} ticks\n`);
  } while (sum(made.values()) < said.ticks);
  await Promise.all(living.splice(0).map(kill));

  made = await ticksSince(records, from);
  let lost = 0;
  let doubled = 0;
  for (const { name, queue } of schedules) {
    const difference = (await runner.counts(queue)).queued - (made.get(name) ?? 0);
    lost += Math.max(0, -difference);
    doubled += Math.max(0, difference);
  }
  const { now: to } = await records.load();
  const due = schedules.length * (Math.floor(to / EVERY_MS) - Math.floor(from / EVERY_MS));
  console.log(
    `${said.engine}, ${said.processes} processes with clocks up to ${MOST_OFF_S} s off, ${kills} ` +
      `killed in ${Math.round((to - from) / 1_000)} s: ${sum(made.values())} of ${due} ticks that were ` +
      `due made by then, ${lost} lost, ${doubled} doubled`,
  );
  const isMissed = output.some((line) => line.includes('missed'));
  process.exitCode = lost + doubled === 0 && !isMissed ? 0 : 1;
  if (process.exitCode === 1) {
    console.log(output.slice(-20).join(''));
  }
} finally {
  await Promise.all(living.map(kill));
  await store.remove();
}
process.exit();

/** An application without schedules, to look at the store. */
async function observe(url: string): Promise<{ records: ScheduleStore; runner: TaskRunner }> {
  @Module({
    imports: [
      BackgroundTasksModule.forRoot({
        engine: bullmq({ connection: url, role: 'producer' }),
        queues: Object.fromEntries(schedules.map(({ queue }) => [queue, {}])),
      }),
    ],
  })
  class ObserverModule {}
  const app = await NestFactory.createApplicationContext(ObserverModule, { logger: ['error'] });
  const engine = app.get<Engine>(ENGINE);
  const records = engine.supportOf(schedules[0]?.queue ?? '').schedules as ScheduleStore;
  return { records, runner: app.get(TaskRunner) };
}

/** The number of ticks according to the records of the schedules. */
async function ticksSince(records: ScheduleStore, from: number): Promise<Map<string, number>> {
  const made = [...(await records.load()).records].map(([name, text]) => {
    const last = decode(text)?.last ?? Number.NaN;
    return [name, Math.floor(last / EVERY_MS) - Math.floor(from / EVERY_MS)] as const;
  });
  return new Map(made);
}

function start(): ChildProcess {
  const offS = (Math.random() * 2 - 1) * MOST_OFF_S;
  const setting = JSON.stringify({ url: store.url, schedules });
  const child = spawn(process.execPath, [PROGRAM, setting], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      LD_PRELOAD: library,
      FAKETIME: `${offS < 0 ? '' : '+'}${offS.toFixed(3)}s`,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output.push(text);
      if (text.includes('Tasks run from now on')) {
        ticking.add(child);
      }
    });
  }
  return child;
}

function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('close', () => resolve());
    if (child.exitCode !== null || child.signalCode !== null) {
      output.push(`A process ended by itself, with ${child.exitCode ?? child.signalCode}.\n`);
      resolve();
    }
    child.kill('SIGKILL');
  });
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, each) => total + each, 0);
}
