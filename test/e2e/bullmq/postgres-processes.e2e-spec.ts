import { describe } from '@jest/globals';
import { describeWith, sharedServer } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { chaosSuite } from './chaos.suite.js';
import { processesSuite } from './processes.suite.js';

describeWith('postgres', 'processes with BullMQ on PostgreSQL', () => {
  const server = sharedServer(postgresServer);
  processesSuite(server, 40);
  describe('when things break', () => {
    chaosSuite('postgres', server);
  });
});
