import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { PostgresStore } from '../../../lib/engine/bullmq/store/postgres/postgres-store.js';
import { describeWith } from '../../support/describe-with.js';
import { postgresClient, type PostgresClient } from '../../support/postgres-client.js';
import { postgresServer, type TestServer } from '../../support/servers.js';
import { freshPrefix, TestLog } from './app.js';
import { eventually } from './engine.suite.js';

describeWith('postgres', 'connections to PostgreSQL', () => {
  let server: TestServer;
  let admin: PostgresClient;
  let log: TestLog;
  let store: PostgresStore;

  beforeAll(async () => {
    server = await postgresServer();
    await server.start();
    admin = await postgresClient(server.url.replace(/postgres$/, 'template1'));
  });

  afterAll(async () => {
    await admin.end();
    await server.remove();
  });

  beforeEach(() => {
    log = new TestLog();
    const address = { kind: 'postgres', options: { connectionString: server.url } } as const;
    store = new PostgresStore(address, freshPrefix(), 1_000, log);
  });

  afterEach(async () => {
    await takeConnections(true);
    await store.close();
  });

  /** Whether new connections are taken: as with all of `max_connections` in use, while it is `false`. */
  async function takeConnections(does: boolean): Promise<void> {
    await admin.query(`ALTER DATABASE postgres WITH ALLOW_CONNECTIONS ${does}`);
  }

  async function untilRefused(): Promise<void> {
    await eventually(async () => expect(log.lines.join('\n')).toMatch(/not currently accepting/));
  }

  it('are tried again where the server falls silent while its schema is made', async () => {
    await store.close();
    const address = { kind: 'postgres', options: { connectionString: server.url } } as const;
    store = new PostgresStore(address, freshPrefix(), 50, log);
    const connect = store['connect'].bind(store);
    store['connect'] = () => {
      const client = connect();
      const reach = client.connect.bind(client);
      client.connect = async () => {
        await reach();
        server.freeze();
      };
      return client;
    };
    try {
      await store.open(['queue']);
      await eventually(async () => expect(log.lines.join('\n')).toMatch(/timeout/));
    } finally {
      server.thaw();
    }
    store['connect'] = connect;
    await store.ready();
  });

  it('are tried again where one is refused after the first was taken', async () => {
    const migrate = store['migrate'].bind(store);
    store['migrate'] = async () => {
      const has = await migrate();
      await takeConnections(false);
      return has;
    };
    await store.open(['queue']);
    await untilRefused();
    store['migrate'] = migrate;
    await takeConnections(true);
    await store.ready();
    expect(await store.queue('queue').getJobCountByTypes('waiting')).toBe(0);
  });

  it('are tried again where those of a worker are refused at first', async () => {
    await store.open(['queue']);
    await store.ready();
    await store.queue('queue').add('job', { v: 1 } as never);
    await takeConnections(false);
    const done = jest.fn<() => Promise<number>>(() => Promise.resolve(1));
    const limits = { runRetryDelay: 50, skipStalledCheck: true };
    const worker = store.worker('queue', done, limits, {
      isOpen: () => true,
      isClosed: () => false,
      declined: () => undefined,
      over: () => undefined,
    });
    void worker.run();
    await untilRefused();
    await takeConnections(true);
    await eventually(async () => expect(done).toHaveBeenCalledTimes(1));
    await worker.close(true);
  });
});
