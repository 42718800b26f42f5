/**
 * `import { … } from 'nestjs-background-tasks/bullmq'`: tasks that several processes share, on Redis or
 * PostgreSQL. Needs `bullmq`, and `ioredis` or `pg`. See docs/bullmq.md.
 *
 * @module bullmq
 */

export { bullmq } from './bullmq.engine.js';
export type { BullMQConnection, BullMQOptions, PostgresOptions } from './bullmq-options.js';
