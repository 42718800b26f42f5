import { describeWith } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { faultsSuite } from './faults.suite.js';

describeWith('postgres', 'faults of the field, with BullMQ on PostgreSQL', () =>
  faultsSuite(postgresServer),
);
