import { afterAll, beforeAll } from '@jest/globals';
import { bullmq } from '../../lib/engine/bullmq/index.js';
import { FreshKeys } from '../support/fresh-keys.js';
import type { TestServer } from '../support/servers.js';
import { conformance } from './conformance.js';
import type { EngineName } from './matrix.js';

/** One server for all tests of a suite. */
export function bullmqConformance(name: EngineName, makeServer: () => Promise<TestServer>): void {
  const keys = new FreshKeys();
  let server: TestServer;

  beforeAll(async () => {
    server = await makeServer();
    await server.start();
  });

  afterAll(() => server.remove());

  conformance(name, async () => ({
    engine: bullmq({
      connection: server.url,
      prefix: await keys.for(server.url),
      // A busy machine stores later than an application would wait for it.
      commitTimeout: '20s',
    }),
    dispose: () => Promise.resolve(),
  }));
}
