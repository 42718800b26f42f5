import { describeWith } from '../support/describe-with.js';
import { postgresServer } from '../support/servers.js';
import { bullmqConformance } from './bullmq.js';

describeWith('postgres', 'BullMQ on PostgreSQL', () =>
  bullmqConformance('PostgreSQL', postgresServer),
);
