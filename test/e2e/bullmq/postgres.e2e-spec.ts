import { jest } from '@jest/globals';
import { describeWith } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { bullmqSuite } from './engine.suite.js';

jest.setTimeout(20_000);

describeWith('postgres', 'BullMQ on PostgreSQL', () => bullmqSuite(postgresServer));
