import { describeWith } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { chaosSuite } from './chaos.suite.js';

describeWith('redis-server', 'BullMQ on Redis, when things break', () =>
  chaosSuite('redis', redisServer),
);
