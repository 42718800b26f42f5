import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TransactionError } from 'nestjs-background-tasks';
import type { StoredEnd } from '../../../lib/engine/bullmq/codec/stored-end.js';
import { PostgresStore } from '../../../lib/engine/bullmq/store/postgres-store.js';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import { systemClock } from '../../../lib/task/clock.js';
import { Deferred } from '../../support/deferred.js';
import { eventually } from '../../support/eventually.js';
import { type PostgresClient, postgresClient } from '../../support/postgres-client.js';
import { freshPrefix } from '../../support/fresh-keys.js';
import type { TestServer } from '../../support/servers.js';
import { LogBook } from '../../support/log-book.js';
import type { TestApp } from './app.js';
import { TestStore } from './store.js';

type Setting = ConstructorParameters<typeof MemoryEngine>[0];

export function clientsSuite(makeServer: () => Promise<TestServer>): void {
  describe('connections to PostgreSQL', () => {
    let server: TestServer;
    let admin: PostgresClient;
    let log: LogBook;
    let store: PostgresStore;

    beforeAll(async () => {
      server = await makeServer();
      await server.start();
      admin = await postgresClient(server.url.replace(/postgres$/, 'template1'));
    });

    afterAll(async () => {
      await admin.end();
      await server.remove();
    });

    function storeWith(commitTimeoutMs: number): PostgresStore {
      const address = { kind: 'postgres', options: { connectionString: server.url } } as const;
      return new PostgresStore(address, freshPrefix(), commitTimeoutMs, systemClock, log);
    }

    beforeEach(() => {
      log = new LogBook();
      store = storeWith(1_000);
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
      await eventually(async () => expect(log.text).toMatch(/not currently accepting/));
    }

    it('are made again where the server falls silent while its schema is made', async () => {
      await store.close();
      store = storeWith(50);
      const connect = store['connect'].bind(store);
      store['connect'] = (config) => {
        const connection = connect(config);
        connection.pool.on('connect', () => server.freeze());
        return connection;
      };
      try {
        await store.open(['queue']);
        await eventually(async () => expect(log.text).toMatch(/timeout/));
      } finally {
        server.thaw();
      }
      store['connect'] = connect;
      await store.ready();
    });

    it('are made again where the server refuses one after it has taken the first', async () => {
      const migrate = store['migrate'].bind(store);
      store['migrate'] = async () => {
        await migrate();
        await takeConnections(false);
      };
      await store.open(['queue']);
      await untilRefused();
      store['migrate'] = migrate;
      await takeConnections(true);
      await store.ready();
      expect(await store.queue('queue').getJobCountByTypes('waiting')).toBe(0);
    });

    it('may break within a transaction, which rejects and ends no process', async () => {
      await store.open(['queue']);
      await store.ready();
      const schedules = store.schedules();
      const other = await postgresClient(server.url);
      const taken: { connection: { stream: Socket } }[] = [];
      store['reached'].pool.on('acquire' as 'connect', (client) => taken.push(client as never));
      try {
        await other.query(`BEGIN; LOCK TABLE "${store['prefix']}".background_task_schedules`);
        const swapped = schedules.swap('nightly', undefined, 'at 3', undefined);
        swapped.catch(() => undefined); // looked at below
        await eventually(() => expect(taken).toHaveLength(1));
        taken[0]?.connection.stream.destroy();
        await expect(swapped).rejects.toThrow('Connection terminated');
      } finally {
        await other.end();
      }
      expect(await schedules.swap('nightly', undefined, 'at 3', undefined)).toBe('done');
    });

    it('of a worker are made again where the server refuses them at first', async () => {
      await store.open(['queue']);
      await store.ready();
      await store.queue('queue').add('job', { v: 1 } as never);
      await takeConnections(false);
      const end: StoredEnd = { status: 'completed', attempts: 1, durationMs: 1 };
      const done = new Deferred();
      const limits = { runRetryDelay: 50, skipStalledCheck: true };
      const retention = { remember: 10, keep: { count: 10, ageMs: Infinity } };
      const worker = store.worker('queue', limits, retention, {
        process: async () => (done.resolve(), end),
        isOpen: () => true,
        isClosed: () => false,
        declined: () => undefined,
        over: () => undefined,
      });
      void worker.run();
      await untilRefused();
      await takeConnections(true);
      await expect(done.promise).resolves.toBeUndefined();
      await worker.close(true);
    });
  });

  describe("tasks that are added in the caller's own transaction", () => {
    const store = new TestStore(makeServer);
    let app: TestApp;
    let client: PostgresClient;

    beforeAll(async () => {
      client = await postgresClient(store.url);
      await client.query('CREATE TABLE orders (id text PRIMARY KEY)');
    });
    beforeEach(async () => {
      const here = { engine: 'memory', create: (setting: Setting) => new MemoryEngine(setting) };
      app = await store.start({}, { queues: { here: { engine: here } } });
    });
    afterAll(() => client.end());

    const orders = async (): Promise<unknown[]> =>
      (await client.query('SELECT id FROM orders')).rows;

    it('exist and run once the transaction commits, and not before', async () => {
      const { tasks, work } = app;
      await client.query('BEGIN');
      await client.query("INSERT INTO orders VALUES ('first')");
      const id = await tasks.using(client).addTask(work.note, 'first');
      // What is added after it, and without a transaction, runs: the other one is not there yet.
      await tasks.addTask(work.note, 'witness').whenSettled();
      expect(work.done).toEqual(['witness']);
      expect(await tasks.get(id)).toBeUndefined();
      await client.query('COMMIT');
      await work.until('first');
      expect(await tasks.get(id)).toMatchObject({ name: 'note', args: ['first'] });
      expect(await orders()).toContainEqual({ id: 'first' });
    });

    it('never exist where the transaction is rolled back', async () => {
      const { tasks, work } = app;
      await client.query('BEGIN');
      await client.query("INSERT INTO orders VALUES ('second')");
      const id = await tasks.using(client).addTask({ priority: 'high' }, work.note, 'second');
      await client.query('ROLLBACK');
      await tasks.addTask(work.note, 'witness').whenSettled();
      expect(work.done).toEqual(['witness']);
      expect(await tasks.get(id)).toBeUndefined();
      expect(await orders()).not.toContainEqual({ id: 'second' });
    });

    it("leave the names of the caller's own statements as they were, also with a client that returns rows only", async () => {
      const { tasks, work } = app;
      const rowsOnly = {
        query: async (text: string, values?: unknown[]) => (await client.query(text, values)).rows,
      };
      await client.query('BEGIN');
      await tasks.using(rowsOnly).addTask(work.note, 'third');
      await client.query("INSERT INTO orders VALUES ('third')");
      await client.query('COMMIT');
      await work.until('third');
      expect(await orders()).toContainEqual({ id: 'third' });
    });

    it('are refused where no transaction is open', async () => {
      const { tasks, work } = app;
      const adding = tasks.using(client).addTask(work.note, 'nowhere');
      await expect(adding).rejects.toThrow(/none is open on this connection/);
      await expect(adding).rejects.toBeInstanceOf(TransactionError);
    });

    it('are refused for a queue that another engine keeps', async () => {
      const { tasks, work } = app;
      await client.query('BEGIN');
      const adding = tasks.using(client).addTask({ queue: 'here' }, work.note, 'elsewhere');
      await expect(adding).rejects.toMatchObject({
        code: 'BGT_TRANSACTION',
        taskName: 'note',
        queue: 'here',
        message: expect.stringContaining('queue "here" is not kept in PostgreSQL'),
      });
      await client.query('ROLLBACK');
    });
  });
}
