/**
 * Whether memory stays flat: 300,000 requests, each of which adds a task that 5% fail at first and
 * are tried again. The heap after a forced collection is compared with what it was after the first
 * 30,000.
 *
 *     npm run build && node --expose-gc test/soak/soak.mjs [--requests 300000] [--connections 20]
 *
 * Prints figures, and exits with 1 where the heap has grown by more than 10%, or where a counter
 * does not add up. Not part of `npm test`: it takes minutes.
 */
import 'reflect-metadata';
import { Agent, request } from 'node:http';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { Controller, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { benchmarkOptions } from '../../bench/options.mjs';
import { BackgroundTasksModule, TaskRunner, Tasks } from '../../dist/index.js';

const { requests: REQUESTS, connections: CONNECTIONS } = benchmarkOptions(
  { requests: 300_000, connections: 20 },
  ['soak'],
);
const WARM_UP = REQUESTS / 10;
const ONE_OF = 20;
const MOST_GROWTH = 1.1;

if (typeof globalThis.gc !== 'function') {
  throw new Error('Run it with node --expose-gc: the heap is compared after a collection.');
}

/** What the task does: every twentieth fails in its first attempt. */
class Deliveries {
  attempts = 0;
  failures = 0;
  #awaitingRetry = new Set();

  async deliver(order) {
    this.attempts += 1;
    if (order % ONE_OF === 0 && !this.#awaitingRetry.delete(order)) {
      this.#awaitingRetry.add(order);
      this.failures += 1;
      throw new Error(`Order ${order} cannot be delivered yet.`);
    }
  }
}

const deliveries = new Deliveries();
const retry = { attempts: 2, delay: 5, maxDelay: 20 };
let orders = 0;

class Orders {
  add(tasks) {
    const order = (orders += 1);
    tasks.addTask({ name: 'deliver', retry }, (each) => deliveries.deliver(each), order);
    return { order };
  }
}
decorate(Orders, 'add', Post());
Tasks()(Orders.prototype, 'add', 0);
Controller('orders')(Orders);

// oxlint-disable-next-line typescript/no-extraneous-class -- all there is to a module is its decorator
class App {}
Module({ imports: [BackgroundTasksModule.forRoot()], controllers: [Orders] })(App);

/** Without a compiler: what `@decorator method() {}` would do. */
function decorate(type, key, decorator) {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, key);
  decorator(type.prototype, key, descriptor);
  Object.defineProperty(type.prototype, key, descriptor);
}

function post(port, agent) {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, agent, path: '/orders', method: 'POST' }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    })
      .once('error', reject)
      .end();
  });
}

/** So many requests, as many at a time as there are connections. */
async function send(count, port, agent) {
  let left = count;
  const connection = async () => {
    while (left > 0) {
      left -= 1;
      const status = await post(port, agent);
      if (status !== 201) {
        throw new Error(`A request was answered with ${status}.`);
      }
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
}

/** The heap when all tasks have settled and what can go is gone. */
async function heapAtRest(runner) {
  await runner.whenIdle();
  for (let round = 0; round < 5; round += 1) {
    await turnOfTheLoop();
    globalThis.gc();
  }
  return process.memoryUsage().heapUsed;
}

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(2)} MB`;

const app = await NestFactory.create(App, new FastifyAdapter(), { logger: false });
await app.listen(0, '127.0.0.1');
const { port } = app.getHttpServer().address();
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const runner = app.get(TaskRunner);

const startedAt = performance.now();
const heaps = [];
for (let tenth = 0; tenth < 10; tenth += 1) {
  await send(WARM_UP, port, agent);
  heaps.push(await heapAtRest(runner));
  console.log(`after ${(tenth + 1) * WARM_UP} requests: heap ${megabytes(heaps[tenth])}`);
}
const seconds = (performance.now() - startedAt) / 1_000;

const { added, completed, failed, cancelled, dropped, abandoned, retried, running, pending } = (
  await runner.stats()
).queues.default;
const growth = heaps.at(-1) / heaps[0];
const isFlat = growth <= MOST_GROWTH;
const isExact =
  added === REQUESTS &&
  added === completed + failed + cancelled + dropped + abandoned &&
  retried === deliveries.failures &&
  deliveries.attempts === REQUESTS + retried &&
  running === 0 &&
  pending === 0;

console.log(`${REQUESTS} requests in ${seconds.toFixed(1)} s, ${Math.round(REQUESTS / seconds)}/s`);
console.log(
  `tasks: ${added} added, ${completed} completed, ${failed} failed, ${retried} tried again ` +
    `(${((100 * retried) / added).toFixed(1)}%)`,
);
console.log(
  `heap: ${megabytes(heaps[0])} after the first ${WARM_UP}, ${growth.toFixed(3)} times that at the end`,
);
console.log(`largest resident set: ${megabytes(process.resourceUsage().maxRSS * 1_024)}`);
console.log(isFlat ? 'ok: memory stays flat' : `NOT ok: the heap may grow ${MOST_GROWTH} times`);
console.log(isExact ? 'ok: the counters are exact' : 'NOT ok: the counters do not add up');

agent.destroy();
await app.close();
process.exitCode = isFlat && isExact ? 0 : 1;
