import { describe } from '@jest/globals';
import type { TestServer } from '../../support/servers.js';
import { bullmqSuite } from './engine.suite.js';
import { faultsSuite } from './faults.suite.js';
import { requestsSuite } from './requests.suite.js';
import { schedulesSuite } from './schedules.suite.js';

type Suite = (makeServer: () => Promise<TestServer>) => void;

/** What is the same on every store, and what one store has besides. */
export function storeSuites(server: () => Promise<TestServer>, own: Record<string, Suite>): void {
  const suites: Record<string, Suite> = {
    'the engine': bullmqSuite,
    schedules: schedulesSuite,
    'faults of the field': faultsSuite,
    requests: requestsSuite,
    ...own,
  };
  describe.each(Object.entries(suites))('%s', (_name, suite) => {
    suite(server);
  });
}
