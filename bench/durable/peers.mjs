// Other queues on PostgreSQL, each in a schema of its own, with what their documentation advises where there are many short jobs.
import { randomUUID } from 'node:crypto';
import { CONCURRENCY, QUEUE_NAME } from './application.mjs';

/** By variant. Both need Node.js 22.18. */
export const PEERS = {
  'pg-boss, PostgreSQL': pgBoss,
  'graphile-worker, PostgreSQL': graphileWorker,
};

/** Takes and completes so many at a time, and asks for more at once while it gets as many. */
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

/** Takes so many at a time, and completes together what ends in one turn of the event loop. */
async function graphileWorker(connectionString, schema) {
  const { Logger, makeWorkerUtils, run } = await import('graphile-worker');
  const preset = {
    worker: {
      connectionString,
      schema,
      concurrentJobs: CONCURRENCY,
      localQueue: { size: CONCURRENCY + 1 },
      completeJobBatchDelay: 0,
      logger: new Logger(() => () => undefined), // it would print where the figures go
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
