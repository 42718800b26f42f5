import { describeWith, sharedServer } from '../../support/describe-with.js';
import { postgresServer } from '../../support/servers.js';
import { clientsSuite } from './clients.suite.js';
import { storeSuites } from './store-suites.js';

describeWith('postgres', 'BullMQ on PostgreSQL', () =>
  storeSuites(sharedServer(postgresServer), { clients: clientsSuite }),
);
