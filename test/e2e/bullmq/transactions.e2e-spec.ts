import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { TransactionError } from 'nestjs-background-tasks';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import { describeWith } from '../../support/describe-with.js';
import { postgresClient, type PostgresClient } from '../../support/postgres-client.js';
import { postgresServer, type TestServer } from '../../support/servers.js';
import { freshPrefix, startApp, type TestApp } from './app.js';

describeWith('postgres', "tasks in the caller's own transaction", () => {
  let server: TestServer;
  let app: TestApp;
  let client: PostgresClient;

  beforeAll(async () => {
    server = await postgresServer();
    await server.start();
    client = await postgresClient(server.url);
    await client.query('CREATE TABLE orders (id text PRIMARY KEY)');
  });
  beforeEach(async () => {
    app = await startApp(
      { connection: server.url, prefix: freshPrefix() },
      {
        queues: {
          here: { engine: { engine: 'memory', create: (setting) => new MemoryEngine(setting) } },
        },
      },
    );
  });
  afterEach(() => app.close());
  afterAll(async () => {
    await client.end();
    await server.remove();
  });

  const orders = async (): Promise<unknown[]> => (await client.query('SELECT id FROM orders')).rows;

  it('exist and run once it commits, and not before', async () => {
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

  it('never exist where it is rolled back', async () => {
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

  it("leave the caller's names as they were, also for a client that gives rows only", async () => {
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

  it('are refused where none is open', async () => {
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
