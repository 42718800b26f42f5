import { describeWith, postgresServer } from '../../support/servers.js';
import { requestsSuite } from './requests.suite.js';

describeWith('postgres', 'requests with BullMQ on PostgreSQL', () => requestsSuite(postgresServer));
