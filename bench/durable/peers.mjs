// Other queues on PostgreSQL, each in a schema of its own, set up as their documentation advises
// for many short jobs.
import { randomUUID } from 'node:crypto';
import { CONCURRENCY, QUEUE_NAME } from './application.mjs';

/** By variant. Both packages need Node.js 22.18. */
export const PEERS = {
  'pg-boss, PostgreSQL': pgBoss,
  'graphile-worker, PostgreSQL': graphileWorker,
};

/** Takes and completes jobs in batches, and asks again at once after a full batch. */
async function pgBoss(connectionString, schema) {
  const { PgBoss } = await import('pg-boss');
  const boss = new PgBoss({ connectionString, schema });
  boss.on('error', console.error);
  await boss.start();
  await boss.createQueue(QUEUE_NAME);
  return {
    add: () => boss.send(QUEUE_NAME, payload()),
    addMany: (count) =>
      boss.insert(
        QUEUE_NAME,
        many(count, () => ({ data: payload() })),
      ),
    work: (done) =>
      boss.work(QUEUE_NAME, { batchSize: CONCURRENCY, burstWhenBatchFull: true }, async (jobs) =>
        jobs.forEach(done),
      ),
  };
}

/** Takes jobs in batches, and completes those that end in one turn of the event loop together. */
async function graphileWorker(connectionString, schema) {
  const { Logger, makeWorkerUtils, run } = await import('graphile-worker');
  const preset = {
    worker: {
      connectionString,
      schema,
      concurrentJobs: CONCURRENCY,
      localQueue: { size: CONCURRENCY + 1 },
      completeJobBatchDelay: 0,
      logger: new Logger(() => () => undefined), // its output would be mixed with the figures
    },
  };
  const utils = await makeWorkerUtils({ preset });
  await utils.migrate();
  return {
    add: () => utils.addJob('noop', payload()),
    addMany: (count) =>
      utils.addJobs(many(count, () => ({ identifier: 'noop', payload: payload() }))),
    work: (done) => run({ preset, taskList: { noop: async () => done() }, parsedCronItems: [] }),
  };
}

function payload() {
  return { id: randomUUID() };
}

function many(length, make) {
  return Array.from({ length }, make);
}
