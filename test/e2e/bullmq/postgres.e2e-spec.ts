import { describeWith } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { bullmqSuite } from './engine.suite.js';

describeWith('postgres', 'BullMQ on PostgreSQL', () => bullmqSuite(postgresServer));
