import { describe } from '@jest/globals';
import { describeWith, sharedServer } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { clientsSuite } from './clients.suite.js';
import { bullmqSuite } from './engine.suite.js';
import { faultsSuite } from './faults.suite.js';
import { requestsSuite } from './requests.suite.js';
import { schedulesSuite } from './schedules.suite.js';

describeWith('postgres', 'BullMQ on PostgreSQL', () => {
  const server = sharedServer(postgresServer);
  describe('the engine', () => {
    bullmqSuite(server);
  });
  describe('schedules', () => {
    schedulesSuite(server);
  });
  describe('faults of the field', () => {
    faultsSuite(server);
  });
  describe('requests', () => {
    requestsSuite(server);
  });
  describe('clients', () => {
    clientsSuite(server);
  });
});
