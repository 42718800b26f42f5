import { describeWith } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { chaosSuite } from './chaos.suite.js';

describeWith('postgres', 'BullMQ on PostgreSQL, when things break', () =>
  chaosSuite('postgres', postgresServer),
);
