// One measurement of one variant, in a process of its own:
//   measure.mjs requests|tasks|process <variant of durable.mjs> <folder> <redis port> <seconds> <count>
// Prints how many a second, and the microseconds of CPU that each took in this process.
import { randomUUID } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import autocannon from 'autocannon';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { TaskRunner } from '../../dist/index.js';
import { CONCURRENCY, Jobs, moduleOf, QUEUE_NAME } from './application.mjs';

const [what, variant, folder, redisPort, seconds, count] = process.argv.slice(2);
const IN_FLIGHT = 50;
/** As many as our engine keeps: by default BullMQ keeps all of them, for ever. */
const KEEP = { removeOnComplete: { count: 1_000 }, removeOnFail: { count: 10_000 } };
const RAW = 'raw BullMQ';
const connection = { host: '127.0.0.1', port: Number(redisPort) };
/** Who only adds does not share its time with a worker, neither of ours nor of BullMQ's. */
const setting = { folder, connection, role: what === 'process' ? 'both' : 'producer' };

if (variant.includes('BullMQ')) {
  const redis = new Redis(connection);
  await redis.flushall();
  await redis.quit();
}

const measurements = { requests, tasks, process: processing };
const result = await measurements[what]();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit());

/** Requests that add one task each, answered when it is stored. */
async function requests() {
  const add = variant === 'bare' ? () => undefined : await adder();
  const app = await NestFactory.create(moduleOf(variant, setting, add), new FastifyAdapter(), {
    logger: ['error'],
  });
  await app.listen(0, '127.0.0.1');
  const url = `http://127.0.0.1:${app.getHttpServer().address().port}`;
  const fire = (duration) =>
    autocannon({ url, method: 'POST', connections: IN_FLIGHT, duration, workers: 1 });
  await fire(2);
  const { non2xx, errors, requests: done } = await fire(Number(seconds));
  if (non2xx + errors > 0) {
    throw new Error(`${non2xx} answers were not 2xx, ${errors} failed.`);
  }
  // The load generator is a thread of this process: its CPU cannot be told apart.
  return { perSecond: done.average };
}

/** The same without HTTP: 50 callers, each adds the next when its last is stored. */
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
  await run(2_000);
  return run(Number(count));
}

/** From a full queue to an empty one. */
async function processing() {
  return variant === RAW ? processBullMq() : processOurs();
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
      await Promise.all(Array.from({ length: 1_000 }, () => jobs.noop(randomUUID())));
    }
    return measure(total, async () => {
      await runner.resume();
      await done;
    });
  };
  await burst(1_000);
  return burst(Number(count));
}

async function processBullMq() {
  const queue = new Queue(QUEUE_NAME, { connection });
  const total = Number(count);
  for (let added = 0; added < total; added += 1_000) {
    await queue.addBulk(
      Array.from({ length: 1_000 }, () => ({ name: 'noop', data: [randomUUID()], opts: KEEP })),
    );
  }
  let done = 0;
  const worker = new Worker(QUEUE_NAME, async () => undefined, {
    connection,
    concurrency: CONCURRENCY,
    autorun: false,
  });
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

async function measure(total, act) {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(before);
  return {
    perSecond: (total / (performance.now() - startedAt)) * 1_000,
    cpuMicros: (user + system) / total,
  };
}

/** Adds one task and resolves when it is stored. */
async function adder() {
  if (variant !== RAW) {
    return (jobs) => jobs.noop(randomUUID());
  }
  const queue = new Queue(QUEUE_NAME, { connection });
  await queue.waitUntilReady();
  return async () => {
    await queue.add('noop', [randomUUID()], KEEP);
  };
}
