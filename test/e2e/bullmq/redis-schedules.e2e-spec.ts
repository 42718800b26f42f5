import { describeWith } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { schedulesSuite } from './schedules.suite.js';

describeWith('redis-server', 'schedules on Redis', () => schedulesSuite(redisServer));
