import { describeWith } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { schedulesSuite } from './schedules.suite.js';

describeWith('postgres', 'schedules on PostgreSQL', () => schedulesSuite(postgresServer));
