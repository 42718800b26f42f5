import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, type INestApplicationContext, type Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Background, TaskRunner, type BackgroundTasksOptions } from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';
import { journal } from 'nestjs-background-tasks/journal';
import { BackgroundTasksMetricsModule, type MetricsOptions } from 'nestjs-background-tasks/metrics';
import {
  type MetricObjectWithValues,
  type MetricValueWithName,
  Registry,
  register as defaultRegister,
} from 'prom-client';
import { rootModule } from '../../e2e/support/root-module.js';

@Injectable()
class Mailer {
  @Background()
  async send(): Promise<void> {
    await Promise.resolve();
  }
}

let app: INestApplicationContext;

const refuse = (): Promise<never> => Promise.reject(new Error('not today'));

async function start(
  options: MetricsOptions,
  providers: Provider[] = [],
  tasks: BackgroundTasksOptions = {},
): Promise<TaskRunner> {
  const root = rootModule({
    options: { queues: { emails: {} }, ...tasks },
    imports: [BackgroundTasksMetricsModule.forRoot(options)],
    providers,
  });
  app = await NestFactory.createApplicationContext(root, { logger: false, abortOnError: false });
  return app.get(TaskRunner);
}

type Family = MetricObjectWithValues<MetricValueWithName<string>>;

const scrape = async (register: Registry): Promise<Map<string, Family>> => {
  const families = (await register.getMetricsAsJSON()) as Family[];
  return new Map(families.map((family) => [family.name, family]));
};

/** The value of one sample. */
function valueOf(
  families: Map<string, Family>,
  name: string,
  labels: Record<string, string>,
  suffix = '',
): number | undefined {
  const full = `background_tasks_${name}`;
  return families
    .get(full)
    ?.values.find(
      (sample) =>
        (sample.metricName ?? full) === `${full}${suffix}` &&
        isDeepStrictEqual({ ...sample.labels }, labels),
    )?.value;
}

describe('the Prometheus metrics', () => {
  afterEach(() => app.close());

  it('count, measure and time tasks by queue and name', async () => {
    const register = new Registry();
    const runner = await start({ prometheus: { register } });
    let failures = 1;
    runner.addTask({ name: 'mail', queue: 'emails' }, () => undefined);
    runner.addTask({ name: 'mail', queue: 'emails', retry: { attempts: 2, delay: 0 } }, () => {
      if (failures-- > 0) {
        throw new Error('once');
      }
    });
    runner.addTask({ name: 'broken' }, () => {
      throw new Error('no');
    });
    await runner.whenIdle();
    await runner.pause('emails');
    const waiting = runner.addTask({ name: 'mail', queue: 'emails' }, () => undefined);

    const families = await scrape(register);
    const mail = { queue: 'emails', task: 'mail' };
    const broken = { queue: 'default', task: 'broken' };
    const samples: [expected: number, ...sample: [string, Record<string, string>, string?]][] = [
      [3, 'added_total', mail],
      [2, 'settled_total', { ...mail, status: 'completed' }],
      [1, 'settled_total', { ...broken, status: 'failed' }],
      [1, 'retries_total', mail],
      [2, 'duration_seconds', { ...mail, outcome: 'completed' }, '_count'],
      [1, 'duration_seconds', { ...mail, outcome: 'retrying' }, '_count'],
      [2, 'duration_seconds', { ...mail, outcome: 'completed', le: '+Inf' }, '_bucket'],
      [3, 'waiting_seconds', mail, '_count'],
      [3, 'process_event_loop_utilization', mail, '_count'],
      [3, 'process_heap_growth_bytes', mail, '_count'],
      [1, 'pending', { queue: 'emails' }],
      [0, 'pending', { queue: 'default' }],
      [1, 'paused', { queue: 'emails' }],
    ];
    const found = samples.map(([, ...sample]) => [valueOf(families, ...sample), ...sample]);
    expect(found).toEqual(samples);
    expect(valueOf(families, 'oldest_pending_age_seconds', { queue: 'emails' })).toBeGreaterThan(0);
    expect(families.get('background_tasks_pending')?.type).toBe('gauge');
    expect(families.get('background_tasks_waiting_seconds')?.type).toBe('histogram');
    expect([...families.values()].every(({ help }) => help.length > 0)).toBe(true);
    await waiting.cancel();
    await runner.resume();
  });

  it.each([
    [2, [1, 2, 2, undefined]],
    [0, [undefined, undefined, 5, undefined]],
  ])('have %d task names as labels, whatever the names hold', async (maxTaskNames, counts) => {
    const register = new Registry();
    const runner = await start({ prometheus: { register }, maxTaskNames });
    const hostile = 'a"b\\c\nd}{ e=1';
    for (const name of [hostile, 'second', 'third', 'fourth', 'second']) {
      runner.addTask({ name }, () => undefined);
    }
    await runner.whenIdle();
    const families = await scrape(register);
    const of = (task: string): number | undefined =>
      valueOf(families, 'added_total', { queue: 'default', task });
    expect([hostile, 'second', '(other)', 'third'].map(of)).toEqual(counts);
  });

  it('count the tasks that their store did not take', async () => {
    const register = new Registry();
    await start({ prometheus: { register } }, [Mailer], {
      // Nobody listens there.
      engine: bullmq({
        connection: 'redis://127.0.0.1:1',
        commitTimeout: '50ms',
        fallback: 'memory',
      }),
    });
    await app.get(Mailer).send();
    const mail = { queue: 'default', task: 'Mailer.send' };
    expect(valueOf(await scrape(register), 'fell_back_total', mail)).toBe(1);
  });

  it('go to the default registry, and leave it with the application', async () => {
    const runner = await start({ prometheus: true });
    runner.addTask({ name: 'mail' }, () => undefined);
    await runner.whenIdle();
    expect((await scrape(defaultRegister)).size).toBe(12);
    await app.close();
    expect(await defaultRegister.metrics()).toBe('\n');
    await start({ prometheus: true });
  });

  it('O14: fail with an error that names registry and prefix if another application uses them', async () => {
    const register = new Registry();
    await start({ prometheus: { register } });
    const first = app;
    await expect(start({ prometheus: { register } })).rejects.toMatchObject({
      code: 'BGT_DUPLICATE_METRICS',
      message: expect.stringMatching(
        /"background_tasks_added_total".*register: new Registry\(\).*prefix: /,
      ),
    });
    expect((await scrape(register)).size).toBe(12);
    await start({ prometheus: { register, prefix: 'other_' } });
    expect((await scrape(register)).size).toBe(24);
    await app.close();
    expect((await scrape(register)).size).toBe(12);
    app = first;
  });

  it.each<[string, Provider[], BackgroundTasksOptions]>([
    ['another module', [{ provide: 'init', useValue: { onModuleInit: refuse } }], {}],
    ['its last hook', [{ provide: 'init', useValue: { onApplicationBootstrap: refuse } }], {}],
    ['its engine', [], { engine: journal({ path: '/dev/null/journal' }) }],
  ])('O14: leave no trace of a start that failed by %s', async (_, providers, tasks) => {
    const register = new Registry();
    await expect(start({ prometheus: { register } }, providers, tasks)).rejects.toThrow(
      /not today|journal/,
    );
    expect(register.getMetricsAsArray()).toEqual([]);
    await start({ prometheus: { register } });
  });
});

describe('the options of the metrics', () => {
  it.each<[string, unknown]>([
    ['metrics', undefined],
    ['metrics', {}],
    ['metrics.prometeus', { prometeus: true }],
    ['metrics.prometheus', { prometheus: 'yes' }],
    ['metrics.prometheus.prefx', { prometheus: { prefx: 'a_' } }],
    ['metrics.prometheus.prefix', { prometheus: { prefix: 'my-app_' } }],
    ['metrics.prometheus.register', { prometheus: { register: 'default' } }],
    ['metrics.prometheus.buckets', { prometheus: { buckets: [] } }],
    ['metrics.prometheus.buckets', { prometheus: { buckets: [10, 1] } }],
    ['metrics.prometheus.buckets', { prometheus: { buckets: ['1s'] } }],
    ['metrics.maxTaskNames', { prometheus: true, maxTaskNames: '50' }],
    ['metrics.maxTaskNames', { prometheus: true, maxTaskNames: -1 }],
    ['metrics.openTelemetry.tracer', { openTelemetry: { tracer: 'mine' } }],
    ['metrics.openTelemetry.meter', { openTelemetry: { meter: {} } }],
    ['metrics.openTelemetry.relation', { openTelemetry: { relation: 'parent' } }],
  ])('are refused with the name of the wrong one: %s in %j', (path, options) => {
    expect(() => BackgroundTasksMetricsModule.forRoot(options as MetricsOptions)).toThrow(
      expect.objectContaining({ path }),
    );
  });
});
