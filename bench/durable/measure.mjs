// One measurement of one variant, in a process of its own:
//   measure.mjs requests|tasks|process <variant of durable.mjs> <folder> <address> <pid> <seconds> <count> <in flight>
// Prints how many per second, and the microseconds of CPU for each in this process and in the server.
import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import autocannon from 'autocannon';
import { createPostgresBackend, Queue, runMigrations, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { TaskRunner } from '../../dist/index.js';
import { CONCURRENCY, Jobs, moduleOf, QUEUE_NAME } from './application.mjs';
import { cpuOfTree } from './cpu.mjs';
import { PEERS } from './peers.mjs';

const [what, variant, folder, url, serverPid, seconds, count, inFlight] = process.argv.slice(2);
const IN_FLIGHT = Number(inFlight);
const isOnPostgres = variant.includes('PostgreSQL');
/** As many finished jobs as our engine keeps: BullMQ keeps all of them by default. */
const KEEP = isOnPostgres
  ? {} // where BullMQ's own counting runs finished jobs again
  : { removeOnComplete: { count: 1_000 }, removeOnFail: { count: 10_000 } };
const isRaw = variant.startsWith('raw');
/** A new name for each run, instead of emptying the store. */
const prefix = `bench_${process.pid}`;
const connection = isOnPostgres ? { connectionString: url, schema: prefix } : { url };
/** A process that only adds tasks runs no worker, neither ours nor BullMQ's. */
const setting = { folder, url, prefix, role: what === 'process' ? 'both' : 'producer' };

if (url !== '' && !isOnPostgres) {
  const redis = new Redis(url);
  await redis.flushall();
  await redis.quit();
}
if (isOnPostgres && isRaw) {
  const client = new Client(url);
  await client.connect();
  await runMigrations(client, prefix);
  await client.end();
}

const peer = await PEERS[variant]?.(url, prefix);
const measurements = { requests, tasks, process: processing };
const result = await measurements[what]();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit());

/** Requests that add one task each, and are answered when it is stored. */
async function requests() {
  const add = variant === 'bare' ? () => undefined : await adder();
  const app = await NestFactory.create(moduleOf(variant, setting, add), new FastifyAdapter(), {
    logger: ['error'],
  });
  await app.listen(0, '127.0.0.1');
  const at = `http://127.0.0.1:${app.getHttpServer().address().port}`;
  const fire = (duration) =>
    autocannon({ url: at, method: 'POST', connections: IN_FLIGHT, duration, workers: 1 });
  await fire(Number(seconds));
  const { non2xx, errors, requests: done } = await fire(Number(seconds));
  if (non2xx + errors > 0) {
    throw new Error(`${non2xx} answers were not 2xx, ${errors} failed.`);
  }
  // The load generator is a thread of this process, whose CPU time cannot be told apart.
  return { perSecond: done.average };
}

/** The same without HTTP: each of 50 callers adds a task when its last one is stored. */
async function tasks() {
  const app = await NestFactory.createApplicationContext(
    moduleOf(variant, setting, () => undefined),
    { logger: ['error'] },
  );
  const jobs = app.get(Jobs);
  const add = await adder();
  const run = (total) => {
    let left = total;
    return measure(total, () =>
      Promise.all(
        Array.from({ length: IN_FLIGHT }, async () => {
          while (left > 0) {
            left -= 1;
            await add(jobs);
          }
        }),
      ),
    );
  };
  await run(Math.min(2_000, Number(count)));
  return run(Number(count));
}

/** Drains a full queue. */
async function processing() {
  if (peer !== undefined) {
    return processPeer();
  }
  return isRaw ? processBullMq() : processOurs();
}

async function processOurs() {
  const app = await NestFactory.createApplicationContext(
    moduleOf(variant, setting, () => undefined),
    { logger: ['error'] },
  );
  const jobs = app.get(Jobs);
  const runner = app.get(TaskRunner);
  const burst = async (total) => {
    await runner.pause();
    jobs.total = jobs.done + total;
    const done = new Promise((resolve) => {
      jobs.onTotal = resolve;
    });
    for (let added = 0; added < total; added += 1_000) {
      const length = Math.min(1_000, total - added);
      await Promise.all(Array.from({ length }, () => jobs.noop(randomUUID())));
    }
    return measure(total, async () => {
      await runner.resume();
      await done;
    });
  };
  await burst(Math.min(1_000, Number(count)));
  return burst(Number(count));
}

async function processBullMq() {
  const queue = rawQueue();
  const total = Number(count);
  for (let added = 0; added < total; added += 1_000) {
    await queue.addBulk(
      Array.from({ length: Math.min(1_000, total - added) }, () => ({
        name: 'noop',
        data: [randomUUID()],
        opts: KEEP,
      })),
    );
  }
  let done = 0;
  const settings = { connection, concurrency: CONCURRENCY, autorun: false };
  const worker = new Worker(QUEUE_NAME, async () => undefined, settings, ...backend());
  const finished = new Promise((resolve) => {
    worker.on('completed', () => {
      done += 1;
      if (done === total) {
        resolve();
      }
    });
  });
  await worker.waitUntilReady();
  return measure(total, () => {
    void worker.run();
    return finished;
  });
}

async function processPeer() {
  const total = Number(count);
  for (let added = 0; added < total; added += 1_000) {
    await peer.addMany(Math.min(1_000, total - added));
  }
  return measure(
    total,
    () =>
      new Promise((resolve, reject) => {
        let left = total;
        const done = () => {
          left -= 1;
          if (left === 0) {
            resolve();
          }
        };
        peer.work(done).catch(reject);
      }),
  );
}

async function measure(total, act) {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  const serverBefore = cpuOfTree(serverPid);
  await act();
  const { user, system } = process.cpuUsage(before);
  return {
    serverMicros: serverPid === '' ? undefined : (cpuOfTree(serverPid) - serverBefore) / total,
    perSecond: (total / (performance.now() - startedAt)) * 1_000,
    cpuMicros: (user + system) / total,
  };
}

function backend() {
  return isOnPostgres ? [createPostgresBackend] : [];
}

function rawQueue() {
  return new Queue(QUEUE_NAME, { connection }, ...backend());
}

/** Adds one task and resolves when it is stored. */
async function adder() {
  switch (variant) {
    case 'the disk':
      return appender();
    case 'LMDB':
      return putter();
    default:
      if (peer !== undefined) {
        return peer.add;
      }
      return isRaw ? rawAdder() : (jobs) => jobs.noop(randomUUID());
  }
}

async function rawAdder() {
  const queue = rawQueue();
  await queue.waitUntilReady();
  return async () => {
    await queue.add('noop', [randomUUID()], KEEP);
  };
}

/** About as long as the journal's record of a task. */
function record(id) {
  return `[1,1,${Date.now()},0,0,0,0,"${id}","Jobs.noop","default","[\\"${randomUUID()}\\"]",0,0]\n`;
}

/** Records that arrive during one flush share the next one. */
async function appender() {
  const file = await open(join(folder, 'log'), 'a');
  let waiting = [];
  let isFlushing = false;
  const flush = async () => {
    isFlushing = true;
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      await file.write(group.map(({ text }) => text).join(''));
      await file.datasync();
      group.forEach(({ resolve }) => resolve());
    }
    isFlushing = false;
  };
  return () =>
    new Promise((resolve) => {
      waiting.push({ text: record(randomUUID()), resolve });
      if (!isFlushing) {
        void flush();
      }
    });
}

async function putter() {
  const { open: openLmdb } = await import('lmdb');
  const db = openLmdb({ path: join(folder, 'lmdb'), encoding: 'string' });
  return async () => {
    const id = randomUUID();
    await db.put(id, record(id));
    await db.flushed;
  };
}
