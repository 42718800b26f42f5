import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { Queue, createPostgresBackend } from 'bullmq';
import type { BackgroundTasksOptions } from 'nestjs-background-tasks';
import type { BullMQOptions } from 'nestjs-background-tasks/bullmq';
import { FreshKeys } from '../../support/fresh-keys.js';
import type { TestServer } from '../../support/servers.js';
import { startApp, type TestApp } from './app.js';

/** A server for the tests of a suite, which each find it empty; and the applications on it. */
export class TestStore {
  server!: TestServer;
  /** Of the keys, or the name of the schema. */
  prefix = '';
  private readonly keys = new FreshKeys();
  private readonly apps: { close(): Promise<unknown> }[] = [];

  constructor(makeServer: () => Promise<TestServer>) {
    beforeAll(async () => {
      this.server = await makeServer();
      await this.server.start();
    });
    beforeEach(async () => {
      this.prefix = await this.keys.for(this.url);
    });
    afterEach(async () => {
      this.server.thaw();
      await Promise.all(this.apps.splice(0).map((app) => app.close()));
    });
    afterAll(() => this.server.remove());
  }

  get url(): string {
    return this.server.url;
  }

  /** Closed after the test. */
  async start(
    bull: Partial<BullMQOptions> = {},
    options: BackgroundTasksOptions = {},
    providers?: Type[],
  ): Promise<TestApp> {
    const own = { connection: this.url, prefix: this.prefix, ...bull };
    return this.closing(await startApp(own, options, providers));
  }

  closing<A extends { close(): Promise<unknown> }>(app: A): A {
    this.apps.push(app);
    return app;
  }

  /** As BullMQ has it. */
  queue(): Queue {
    return this.url.startsWith('postgres')
      ? new Queue(
          'default',
          { connection: { connectionString: this.url, schema: this.prefix } },
          createPostgresBackend as never,
        )
      : new Queue('default', { connection: { url: this.url }, prefix: this.prefix });
  }
}
