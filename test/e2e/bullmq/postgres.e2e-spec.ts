import { jest } from '@jest/globals';
import { describeWith, postgresServer } from '../../support/servers.js';
import { bullmqSuite } from './engine.suite.js';

jest.setTimeout(20_000);

describeWith('postgres', 'BullMQ on PostgreSQL', () => bullmqSuite(postgresServer));
