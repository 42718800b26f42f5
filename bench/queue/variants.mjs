// One workload in one process: `node variants.mjs <variant> <tasks> [<tasks a burst>]` prints a line of JSON.
// Every variant gets the same no-op async tasks, in one burst unless told otherwise, ten at a time.
import 'reflect-metadata';

const CONCURRENCY = 10;
const WARM_UP_TASKS = 20_000;
const PRIORITIES = ['high', 'normal', 'low'];

let done = 0;
const noop = async () => {
  done += 1;
};

const variants = {
  async ours() {
    const { runner, close } = await application();
    return {
      add: (tasks) => repeat(tasks, () => runner.addTask(noop)),
      drain: () => runner.whenIdle(),
      close,
    };
  },
  async 'ours, random priorities'() {
    const { runner, close } = await application();
    const options = PRIORITIES.map((priority) => ({ priority }));
    return {
      add: (tasks) =>
        repeat(tasks, () => runner.addTask(options[Math.floor(Math.random() * 3)], noop)),
      drain: () => runner.whenIdle(),
      close,
    };
  },
  async 'fastq promise'() {
    const { default: fastq } = await import('fastq');
    const queue = fastq.promise(noop, CONCURRENCY);
    return {
      add: (tasks) => repeat(tasks, (index) => queue.push(index)),
      drain: () => queue.drained(),
    };
  },
  async 'fastq callback'() {
    const { default: fastq } = await import('fastq');
    const queue = fastq((_task, callback) => {
      done += 1;
      setImmediateOnce(callback);
    }, CONCURRENCY);
    return {
      add: (tasks) => repeat(tasks, (index) => queue.push(index, () => undefined)),
      drain: () => new Promise((resolve) => (queue.drain = resolve)),
    };
  },
  async 'async.queue'() {
    const { default: async } = await import('async');
    const queue = async.queue(noop, CONCURRENCY);
    return {
      add: (tasks) => repeat(tasks, (index) => void queue.push(index)),
      drain: () => queue.drain(),
    };
  },
  async 'p-queue'() {
    const { default: PQueue } = await import('p-queue');
    const queue = new PQueue({ concurrency: CONCURRENCY });
    return {
      add: (tasks) => repeat(tasks, () => void queue.add(noop)),
      drain: () => queue.onIdle(),
    };
  },
};

/** fastq's callback workers may call back at once; a microtask matches an async no-op. */
function setImmediateOnce(callback) {
  queueMicrotask(() => callback(null));
}

function repeat(times, act) {
  for (let index = 0; index < times; index += 1) {
    act(index);
  }
}

async function application() {
  const { Module } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { BackgroundTasksModule, TaskRunner } = await import('../../dist/index.js');
  // oxlint-disable-next-line typescript/no-extraneous-class -- decorated below, without syntax for it
  class AppModule {}
  const queues = { default: { concurrency: CONCURRENCY, maxPending: Infinity } };
  Module({ imports: [BackgroundTasksModule.forRoot({ queues })] })(AppModule);
  process.on('SIGTERM', () => process.exit(1));
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
  return { runner: app.get(TaskRunner), close: () => app.close() };
}

const [variant, count, size = count] = process.argv.slice(2);
const tasks = Number(count);
const burst = Number(size);
const { add, drain, close } = await variants[variant]();

// A warm-up with fewer tasks, so that compilation is not measured.
add(WARM_UP_TASKS);
await drain();
done = 0;
globalThis.gc?.();
const heapBefore = process.memoryUsage().heapUsed;
let ms = 0;
let bytesPerTask;
for (let left = tasks; left > 0; left -= burst) {
  const startedAt = performance.now();
  add(Math.min(burst, left));
  ms += performance.now() - startedAt;
  if (bytesPerTask === undefined && globalThis.gc) {
    globalThis.gc();
    bytesPerTask = Math.round((process.memoryUsage().heapUsed - heapBefore) / burst);
  }
  const drainFrom = performance.now();
  await drain();
  ms += performance.now() - drainFrom;
}
if (done !== tasks) {
  throw new Error(`${variant}: ${done} of ${tasks} tasks ran.`);
}
console.log(
  JSON.stringify({
    variant,
    tasks,
    burst,
    perSecond: Math.round((tasks / ms) * 1_000),
    microsecondsPerTask: (ms * 1_000) / tasks,
    peakMb: Math.round(process.resourceUsage().maxRSS / 1_024),
    bytesPerTask,
  }),
);
await close?.();
