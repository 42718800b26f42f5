import { describeWith } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { processesSuite } from './processes.suite.js';

describeWith('redis-server', 'processes with BullMQ on Redis', () =>
  processesSuite(redisServer, 2_000),
);
