import { jest } from '@jest/globals';
import { describeWith } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { requestsSuite } from './requests.suite.js';

jest.setTimeout(20_000);

describeWith('redis-server', 'requests with BullMQ on Redis', () => requestsSuite(redisServer));
