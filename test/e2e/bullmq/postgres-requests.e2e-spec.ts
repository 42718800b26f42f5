import { jest } from '@jest/globals';
import { describeWith, postgresServer } from '../../support/servers.js';
import { requestsSuite } from './requests.suite.js';

jest.setTimeout(20_000);

describeWith('postgres', 'requests with BullMQ on PostgreSQL', () => requestsSuite(postgresServer));
