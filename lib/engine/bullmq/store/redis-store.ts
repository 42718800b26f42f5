import type { LoggerService } from '@nestjs/common';
import type { QueueEvents } from 'bullmq';
import type { Redis, RedisOptions } from 'ioredis';
import type { Clock } from '../../../task/clock.js';
import type { Position } from '../../../task/position.js';
import type { FailedQuery } from '../../kept-tasks.js';
import type { JobWorker } from '../codec/stored-job.js';
import { batchWrites, keepAlive, missing } from './connections.js';
import { JobStore, type Retention, type WorkerGate, type WorkerLimits } from './job-store.js';
import { RedisSchedules, type WatchingConnection } from './schedules.js';
import { createTaskWorker } from './task-worker.js';

export interface RedisAddress {
  readonly kind: 'redis';
  readonly options: RedisOptions;
  readonly url: string | undefined;
}

/** The longest wait between two attempts to connect, in milliseconds. */
const LONGEST_RECONNECT_MS = 1_000;

/** Each commit asks whether the store is ready, and pays for every promise that is made. */
const READY = Promise.resolve();

/** One atomic step. BullMQ removes the key with the job whose field names it. */
const CLAIM_KEY = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('SET', KEYS[1], ARGV[1])
  redis.call('HSET', KEYS[2], 'deid', ARGV[2])
end
return 1`;

/** BullMQ on Redis or Valkey. */
export class RedisStore extends JobStore {
  /** Queues get ready once: afterwards only the connection comes and goes. */
  private areQueuesReady = false;
  private redis: typeof Redis | undefined;
  private client: Redis | undefined;
  private readonly connections: Redis[] = [];
  private readonly heartbeats: (() => void)[] = [];
  /** One promise for all callers: through a long outage they may be many. */
  private connected: Promise<void> | undefined;
  private records: RedisSchedules | undefined;

  constructor(
    private readonly address: RedisAddress,
    prefix: string,
    timeoutMs: number,
    clock: Clock,
    logger: LoggerService,
  ) {
    super('Redis', `Redis at ${placeOf(address)}`, prefix, timeoutMs, clock, logger);
  }

  protected async connectTo(queues: readonly string[]): Promise<void> {
    const { Queue } = this.opened;
    this.redis = (await import('ioredis').catch(missing('ioredis'))).Redis;
    const connection = this.connect({
      // A request must not wait for a store that is down: its commands fail instead of queueing up.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      commandTimeout: this.timeoutMs,
    });
    connection.on('ready', () => void this.warnOfCluster());
    this.client = connection;
    for (const name of queues) {
      this.add(new Queue(name, { connection, prefix: this.prefix }));
    }
  }

  ready(): Promise<void> {
    return this.areQueuesReady && this.commands.status === 'ready' ? READY : this.whenReady();
  }

  private async whenReady(): Promise<void> {
    if (this.commands.status !== 'ready') {
      await (this.connected ??= this.whenConnected());
    }
    if (!this.areQueuesReady) {
      await Promise.all(this.queues().map((queue) => queue.waitUntilReady()));
      this.areQueuesReady = true;
    }
  }

  worker(
    name: string,
    limits: WorkerLimits,
    { remember, keep }: Retention,
    gate: WorkerGate,
  ): JobWorker {
    const age = Number.isFinite(keep.ageMs) ? { age: Math.ceil(keep.ageMs / 1_000) } : {};
    const worker = createTaskWorker(this.opened.Worker, gate, name, {
      ...limits,
      connection: this.connect({ maxRetriesPerRequest: null }),
      prefix: this.prefix,
      autorun: false,
      removeOnComplete: { count: countOf(remember) },
      removeOnFail: { count: countOf(keep.count), ...age },
    });
    worker.on('error', this.errors.report);
    return worker;
  }

  protected eventsOf(name: string): QueueEvents {
    const { QueueEvents: Events } = this.opened;
    const connection = this.connect({ maxRetriesPerRequest: null });
    return new Events(name, { connection, prefix: this.prefix, autorun: false });
  }

  protected async lastEventId(name: string): Promise<string> {
    const key = this.queue(name).toKey('events');
    const [last] = await this.commands.xrevrange(key, '+', '-', 'COUNT', 1);
    return last?.[0] ?? '0';
  }

  /** Restores BullMQ's marker, which the woken worker has removed. */
  async wake(name: string): Promise<void> {
    await this.commands.zadd(this.queue(name).toKey('marker'), 0, '0');
  }

  listen(onCancel: (id: string) => void, onGap: () => void): void {
    const subscriber = this.connect({ maxRetriesPerRequest: null, autoResubscribe: false });
    subscriber.on('message', (_channel, id: string) => onCancel(id));
    subscriber.on('ready', () => {
      subscriber.subscribe(this.channel).then(onGap, this.errors.report);
    });
  }

  async tellCancel(id: string): Promise<void> {
    await this.commands.publish(this.channel, id);
  }

  schedules(): RedisSchedules {
    const queueOf = this.queue.bind(this);
    return (this.records ??= new RedisSchedules(this.prefix, this.commands, queueOf, () =>
      this.connectOnce(),
    ));
  }

  private connectOnce(): WatchingConnection {
    const connection = this.connect({
      commandTimeout: this.timeoutMs,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    const scripts = new this.opened.Queue('schedules', { connection, skipMetasUpdate: true });
    scripts.on('error', () => undefined); // the caller of the swap gets the error
    return { connection, scripts };
  }

  async claimKey(queue: string, dedupeId: string, jobId: string): Promise<boolean> {
    const at = this.queue(queue);
    const keys = [at.toKey(`de:${dedupeId}`), at.toKey(jobId)];
    return (await this.commands.eval(CLAIM_KEY, keys.length, ...keys, jobId, dedupeId)) === 1;
  }

  async failed(
    queue: string,
    { after, before, isOldestFirst }: FailedQuery,
    skip: number,
    limit: number,
  ): Promise<Position[]> {
    const key = this.queue(queue).toKey('failed');
    const latest = before === undefined ? '+inf' : `(${before}`;
    const page = ['WITHSCORES', 'LIMIT', skip, limit] as const;
    const found = isOldestFirst
      ? await this.commands.zrangebyscore(key, after?.at ?? '-inf', latest, ...page)
      : await this.commands.zrevrangebyscore(key, after?.at ?? latest, '-inf', ...page);
    return found.flatMap((id, index) =>
      index % 2 === 0 ? [{ id, at: Number(found[index + 1]) }] : [],
    );
  }

  async close(): Promise<void> {
    // Commands not sent yet are lost with the connections: a store that is down is not waited for.
    this.isClosed = true;
    this.heartbeats.forEach((stop) => stop());
    this.records?.close();
    // Disconnecting an ended connection would start a timer of ioredis that nothing stops.
    this.connections
      .filter(({ status }) => status !== 'end')
      .forEach((connection) => connection.disconnect());
    await Promise.allSettled(this.queues().map((queue) => queue.close()));
  }

  /** A command takes keys of several queues, which a cluster refuses unless they are on one node. */
  private async warnOfCluster(): Promise<void> {
    const info = await this.commands.info('cluster').catch(() => '');
    if (info.includes('cluster_enabled:1') && !/\{.+\}/.test(this.prefix)) {
      this.errors.report(
        'is a node of a Redis Cluster, which spreads keys over nodes: no task can be stored. Give all ' +
          "keys one hash tag, bullmq({ prefix: '{bgt}' }), and connect to the node that has it; or use a " +
          'server that is no cluster.',
      );
    }
  }

  private whenConnected(): Promise<void> {
    return new Promise((resolve) => {
      this.commands.once('ready', () => {
        this.connected = undefined;
        resolve();
      });
    });
  }

  private connect(options: RedisOptions): Redis {
    if (this.redis === undefined) {
      throw new Error('The store is not open.');
    }
    const all: RedisOptions = {
      connectTimeout: 1_000,
      // A live server closes at once; the process does not wait for a dead one.
      disconnectTimeout: 500,
      retryStrategy: (times) => Math.min(times * 100, LONGEST_RECONNECT_MS),
      // After a failover the old master refuses commands on open connections. A refused command is not
      // sent again: a transaction may have been refused in part.
      reconnectOnError: ({ message }) => /\b(READONLY|UNBLOCKED)\b/.test(message),
      ...this.address.options,
      ...options,
    };
    const { url } = this.address;
    const { redis: Client } = this;
    const client = url === undefined ? new Client(all) : new Client(url, all);
    client.on('ready', this.errors.recovered);
    this.heartbeats.push(keepAlive(client, this.errors));
    return this.own(client);
  }

  private own(client: Redis): Redis {
    client.on('error', this.errors.report);
    batchWrites(client);
    this.connections.push(client);
    if (this.isClosed) {
      client.disconnect();
    }
    // BullMQ blocks on duplicates and does not end them while the store is down. They would reconnect
    // for ever and keep the process alive.
    const duplicate = client.duplicate.bind(client);
    client.duplicate = (options) => this.own(duplicate(options));
    return client;
  }

  /** The connection for short commands. */
  private get commands(): Redis {
    if (this.client === undefined) {
      throw new Error('The store is not open.');
    }
    return this.client;
  }
}

/** The address without its password. */
function placeOf({ url, options }: RedisAddress): string {
  if (url === undefined) {
    return `${options.host ?? '127.0.0.1'}:${options.port ?? 6379}`;
  }
  return URL.canParse(url) ? new URL(url).host : 'the given address';
}

/** BullMQ takes -1 as all. */
function countOf(most: number): number {
  return Number.isFinite(most) ? most : -1;
}
