import { describe } from '@jest/globals';
import { describeWith, sharedServer } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { chaosSuite } from './chaos.suite.js';
import { processesSuite } from './processes.suite.js';

describeWith('redis-server', 'processes with BullMQ on Redis', () => {
  const server = sharedServer(redisServer);
  processesSuite(server, 120);
  describe('when things break', () => {
    chaosSuite('redis', server);
  });
});
