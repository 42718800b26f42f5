import { describeWith } from '../support/describe-with.js';
import { redisServer } from '../support/servers.js';
import { bullmqConformance } from './bullmq.js';

describeWith('redis-server', 'BullMQ on Redis', () => bullmqConformance('Redis', redisServer));
