import { describeWith } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { bullmqSuite } from './engine.suite.js';

describeWith('redis-server', 'BullMQ on Redis', () => bullmqSuite(redisServer));
