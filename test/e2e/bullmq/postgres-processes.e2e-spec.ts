import { describeWith } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { processesSuite } from './processes.suite.js';

describeWith('postgres', 'processes with BullMQ on PostgreSQL', () =>
  processesSuite(postgresServer, 2_000),
);
