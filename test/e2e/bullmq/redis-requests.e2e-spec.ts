import { describeWith } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { requestsSuite } from './requests.suite.js';

describeWith('redis-server', 'requests with BullMQ on Redis', () => requestsSuite(redisServer));
