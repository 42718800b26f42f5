import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from '@jest/globals';
import { bullmq } from '../../lib/engine/bullmq/index.js';
import type { TestServer } from '../support/servers.js';
import { conformance } from './conformance.js';
import type { EngineName } from './matrix.js';

/** One server for all tests of a suite: each has a prefix, or a schema, of its own. */
export function bullmqConformance(name: EngineName, makeServer: () => Promise<TestServer>): void {
  let server: TestServer;

  beforeAll(async () => {
    server = await makeServer();
    await server.start();
  });

  afterAll(() => server.remove());

  conformance(name, () =>
    Promise.resolve({
      engine: bullmq({
        connection: server.url,
        prefix: `t${randomUUID().slice(0, 8)}`,
        // A busy machine stores later than an application would wait for it.
        commitTimeout: '20s',
      }),
      dispose: () => Promise.resolve(),
    }),
  );
}
