import { jest } from '@jest/globals';
import { describeWith } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { faultsSuite } from './faults.suite.js';

jest.setTimeout(30_000);

describeWith('postgres', 'faults of the field, with BullMQ on PostgreSQL', () =>
  faultsSuite(postgresServer),
);
