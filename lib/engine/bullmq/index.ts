export {
  bullmq,
  type BullMQConnection,
  type BullMQOptions,
  type PostgresOptions,
} from './bullmq.js';
