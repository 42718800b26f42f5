import { describeWith } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { requestsSuite } from './requests.suite.js';

describeWith('postgres', 'requests with BullMQ on PostgreSQL', () => requestsSuite(postgresServer));
