import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { eventually } from '../../support/eventually.js';
import { redisServer, type TestServer } from '../../support/servers.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { freshPrefix } from '../../support/fresh-keys.js';
import { startApp, type TestApp } from './app.js';

const portOf = ({ url }: TestServer): number => Number(new URL(url).port);

export function networkSuite(): void {
  it('D21: BullMQ on a node of a Redis Cluster is named with its remedy at start, and works that way', async () => {
    const server = await redisServer('--cluster-enabled', 'yes');
    await server.start();
    const apps: TestApp[] = [];
    const prefix = freshPrefix();
    try {
      const redis = new Redis(server.url);
      await redis.cluster('ADDSLOTSRANGE', 0, 16_383);
      await eventually(async () => expect(await redis.cluster('INFO')).toMatch(/cluster_state:ok/));
      await redis.quit();
      const lost = await startApp({ connection: server.url, prefix });
      apps.push(lost);
      await eventually(async () =>
        expect(lost.log.text).toMatch(/Redis Cluster.*prefix: '\{bgt\}'/),
      );
      const found = await startApp({ connection: server.url, prefix: `{${prefix}}` });
      apps.push(found);
      await eventually(() => found.work.note('stored'));
      await found.work.until('stored');
      expect(found.log.text).not.toMatch(/Redis Cluster/);
    } finally {
      await Promise.all(apps.map((app) => app.close()));
      await server.remove();
    }
  });

  describe('BullMQ on a Redis behind a network', () => {
    let server: TestServer;
    let other: TestServer;
    let proxy: TcpProxy;
    let app: TestApp;

    beforeEach(async () => {
      [server, other] = await Promise.all([redisServer(), redisServer()]);
      await Promise.all([server.start(), other.start()]);
      proxy = new TcpProxy(portOf(server));
      const port = await proxy.start();
      const connection = `redis://127.0.0.1:${port}`;
      app = await startApp({ connection, prefix: freshPrefix(), commitTimeout: 500 });
      await eventually(() => app.work.note('at first'));
      await app.work.until('at first');
    });
    afterEach(async () => {
      await app.close();
      await proxy.close();
      await Promise.all([server.remove(), other.remove()]);
    });

    const said = (pattern: RegExp): unknown[] =>
      app.log.lines.filter(({ message }) => pattern.test(message));

    it('D2: makes connections anew that are open and dead, and says so once', async () => {
      proxy.silence();
      await expect(app.work.note('into the void')).rejects.toThrow(/did not store/);
      await eventually(() => app.work.note('afterwards'));
      await app.work.until('afterwards');
      await eventually(async () => expect(said(/has not answered/)).toHaveLength(1));
    });

    it('D2: leaves alone the connection of a worker that waits for tasks', async () => {
      const { accepted } = proxy;
      const redis = new Redis(server.url);
      // Longer than a connection may be silent, and than a worker waits at a time.
      const calls = async (): Promise<number> =>
        Number(/cmdstat_bzpopmin:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
      const before = await calls();
      await eventually(async () => expect(await calls()).toBeGreaterThan(before + 1));
      await redis.quit();
      expect(proxy.accepted).toBe(accepted);
      expect(said(/has not answered/)).toEqual([]);
    });

    it('D3: follows a failover that keeps its connections to the old master', async () => {
      const [old, next] = [new Redis(server.url), new Redis(other.url)];
      await next.replicaof('127.0.0.1', portOf(server));
      await eventually(async () =>
        expect(await next.info('replication')).toMatch(/link_status:up/),
      );
      await next.replicaof('NO', 'ONE');
      proxy.lead(portOf(other));
      await old.replicaof('127.0.0.1', portOf(other));
      await eventually(() => app.work.note('to the new master'));
      await app.work.until('to the new master');
      await Promise.all([old.quit(), next.quit()]);
    });
  });
}
