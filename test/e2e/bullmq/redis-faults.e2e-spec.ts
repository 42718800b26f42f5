import { describeWith } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { faultsSuite } from './faults.suite.js';

describeWith('redis-server', 'faults of the field, with BullMQ on Redis', () =>
  faultsSuite(redisServer),
);
