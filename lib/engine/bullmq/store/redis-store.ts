import type { LoggerService } from '@nestjs/common';
import type { KeepJobs, QueueEvents } from 'bullmq';
import type { Redis, RedisOptions } from 'ioredis';
import {
  BullQueues,
  type JobQueue,
  type JobStore,
  type JobWorker,
  type Process,
  type ScheduleRecords,
  type StoreAddress,
  type WorkerGate,
  type WorkerLimits,
} from './job-store.js';
import { batchWrites, keepAlive } from './redis-connection.js';
import type { Position } from '../../../task/position.js';
import type { KeepLimits } from '../../engine.js';
import type { FailedQuery } from '../../kept-tasks.js';
import { ErrorLog, missing } from './error-log.js';
import { createTaskWorker } from './task-worker.js';
import { RedisSchedules } from './redis-schedules.js';

type RedisAddress = Extract<StoreAddress, { kind: 'redis' }>;

/** Waits between attempts to connect grow to no more than this. */
const LONGEST_RECONNECT_MS = 1_000;

/** In one step. BullMQ takes the key away with the job whose field names it. */
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
export class RedisStore extends BullQueues implements JobStore {
  readonly support: JobStore['support'] = {
    engine: 'BullMQ on Redis',
    batch: false,
    concurrencyKey: false,
    dedupeWindow: false,
    dedupeAgain: false,
  };
  readonly label: string;
  private readonly errors: ErrorLog;
  /** Once is enough: afterwards only the connection comes and goes. */
  private areQueuesReady = false;
  private redis: typeof Redis | undefined;
  private client: Redis | undefined;
  private readonly connections: Redis[] = [];
  private readonly heartbeats: (() => void)[] = [];
  /** One for all who wait: through a long outage they may be many. */
  private connected: Promise<void> | undefined;
  private scheduleRecords: RedisSchedules | undefined;

  constructor(
    private readonly address: RedisAddress,
    private readonly prefix: string,
    private readonly commandTimeoutMs: number,
    logger: LoggerService,
  ) {
    super();
    const { url, options } = address;
    const place =
      url === undefined ? `${options.host ?? '127.0.0.1'}:${options.port ?? 6379}` : placeOf(url);
    this.label = `Redis at ${place}`;
    this.errors = new ErrorLog(this.label, logger);
  }

  async open(queues: readonly string[]): Promise<void> {
    this.bull = await import('bullmq').catch(missing('bullmq'));
    this.redis = (await import('ioredis').catch(missing('ioredis'))).Redis;
    this.client = this.connect({
      // A request must not wait for a store that is down: its commands fail, and are not kept.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      commandTimeout: this.commandTimeoutMs,
    });
    this.client.on('ready', () => void this.warnOfCluster());
    for (const name of queues) {
      const connection = this.client;
      const queue: JobQueue = new this.bull.Queue(name, { connection, prefix: this.prefix });
      queue.on('error', this.errors.report);
      this.made.set(name, queue);
    }
  }

  get isReady(): boolean {
    return this.areQueuesReady && this.client?.status === 'ready';
  }

  async ready(): Promise<void> {
    const { client } = this;
    if (client !== undefined && client.status !== 'ready') {
      await (this.connected ??= this.whenConnected(client));
    }
    if (!this.areQueuesReady) {
      await Promise.all([...this.made.values()].map((queue) => queue.waitUntilReady()));
      this.areQueuesReady = true;
    }
  }

  async ping(): Promise<void> {
    await this.client?.set(`${this.prefix}:ping`, '', 'PX', 1_000);
  }

  worker(name: string, process: Process, limits: WorkerLimits, gate: WorkerGate): JobWorker {
    const connection = this.connect({ maxRetriesPerRequest: null });
    const options = { ...limits, connection, prefix: this.prefix, autorun: false };
    const worker = createTaskWorker(this.opened.Worker, gate, name, process, options);
    worker.on('error', this.errors.report);
    return worker;
  }

  events(name: string): QueueEvents {
    const { QueueEvents: Events } = this.opened;
    const connection = this.connect({ maxRetriesPerRequest: null });
    const events = new Events(name, { connection, prefix: this.prefix });
    events.on('error', this.errors.report);
    return events;
  }

  /** BullMQ's marker, which a worker that waits has taken out as it was woken. */
  async wake(name: string): Promise<void> {
    await this.client?.zadd(this.queue(name).toKey('marker'), 0, '0');
  }

  listen(onCancel: (id: string) => void, onGap: () => void): void {
    const subscriber = this.connect({ maxRetriesPerRequest: null, autoResubscribe: false });
    subscriber.on('message', (_channel, id: string) => onCancel(id));
    subscriber.on('ready', () => {
      subscriber.subscribe(this.channel).then(onGap, this.errors.report);
    });
  }

  async tellCancel(id: string): Promise<void> {
    await this.client?.publish(this.channel, id);
  }

  schedules(): ScheduleRecords {
    return (this.scheduleRecords ??= new RedisSchedules({
      prefix: this.prefix,
      client: this.client ?? this.connect({}),
      Queue: this.opened.Queue,
      connectOnce: () =>
        this.connect({
          commandTimeout: this.commandTimeoutMs,
          maxRetriesPerRequest: 0,
          retryStrategy: () => null,
        }),
    }));
  }

  async claimKey(queue: string, dedupeId: string, jobId: string): Promise<boolean> {
    const { client } = this;
    const at = this.queue(queue);
    const keys = [at.toKey(`de:${dedupeId}`), at.toKey(jobId)];
    return (await client?.eval(CLAIM_KEY, keys.length, ...keys, jobId, dedupeId)) === 1;
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
      ? await this.client?.zrangebyscore(key, after?.at ?? '-inf', latest, ...page)
      : await this.client?.zrevrangebyscore(key, after?.at ?? latest, '-inf', ...page);
    const positions: Position[] = [];
    for (let index = 0; index < (found?.length ?? 0); index += 2) {
      positions.push({ id: found?.[index] ?? '', at: Number(found?.[index + 1]) });
    }
    return positions;
  }

  retention({ count, ageMs }: Pick<KeepLimits, 'count' | 'ageMs'>): KeepJobs {
    // As BullMQ has it: -1 for all.
    const most = Number.isFinite(count) ? count : -1;
    return Number.isFinite(ageMs)
      ? { count: most, age: Math.ceil(ageMs / 1_000) }
      : { count: most };
  }

  async close(): Promise<void> {
    // What is still waiting to be sent goes with the connections; a store that is down is not waited for.
    this.isClosed = true;
    this.heartbeats.forEach((stop) => stop());
    this.scheduleRecords?.close();
    // One that has ended already would only start ioredis's timer, which nothing calls off then.
    this.connections
      .filter(({ status }) => status !== 'end')
      .forEach((connection) => connection.disconnect());
    await Promise.allSettled([...this.made.values()].map((queue) => queue.close()));
  }

  /** Its commands take keys of several queues, and none of a node's whose keys are spread over others. */
  private async warnOfCluster(): Promise<void> {
    const info = await this.client?.info('cluster').catch(() => '');
    if (info?.includes('cluster_enabled:1') && !/\{.+\}/.test(this.prefix)) {
      this.errors.report(
        'is a node of a Redis Cluster, which spreads keys over nodes: no task can be stored. Give all ' +
          "keys one hash tag, bullmq({ prefix: '{bgt}' }), and connect to the node that has it; or use a " +
          'server that is no cluster.',
      );
    }
  }

  private whenConnected(client: Redis): Promise<void> {
    return new Promise((resolve) => {
      client.once('ready', () => {
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
      // A server that is there closes at once; the process does not wait for another.
      disconnectTimeout: 500,
      retryStrategy: (times) => Math.min(times * 100, LONGEST_RECONNECT_MS),
      // After a failover the old master says so on the connections that it keeps. What it refused is not
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
    // BullMQ blocks on copies, and does not end them where the store is down: they would go on
    // looking for it, and keep the process.
    const duplicate = client.duplicate.bind(client);
    client.duplicate = (options) => this.own(duplicate(options));
    return client;
  }

  private get channel(): string {
    return `${this.prefix}:cancel`;
  }
}

/** Never the password. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'the given address';
}
