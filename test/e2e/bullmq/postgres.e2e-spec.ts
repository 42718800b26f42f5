import { describeWith, postgresServer } from '../../support/servers.js';
import { bullmqSuite } from './engine.suite.js';

describeWith('postgres', 'BullMQ on PostgreSQL', () => bullmqSuite(postgresServer));
