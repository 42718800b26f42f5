import { jest } from '@jest/globals';
import { describeWith } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { requestsSuite } from './requests.suite.js';

jest.setTimeout(20_000);

describeWith('postgres', 'requests with BullMQ on PostgreSQL', () => requestsSuite(postgresServer));
