import { jest } from '@jest/globals';
import { describeWith } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { bullmqSuite } from './engine.suite.js';

jest.setTimeout(20_000);

describeWith('redis-server', 'BullMQ on Redis', () => bullmqSuite(redisServer));
