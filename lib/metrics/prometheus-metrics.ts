import type { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { requirePeer } from '../errors/require-peer.js';
import type { QueueFigures, TaskEvent, TaskRunner } from '../index.js';
import type { BoundedNames } from './bounded-names.js';
import { DuplicateMetricsError } from './duplicate-metrics.error.js';
import type { PrometheusOptions } from './metrics-options.js';

const DEFAULT_PREFIX = 'background_tasks_';
const DEFAULT_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300];
const SHARES = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1];
const BYTES = [0, 1e5, 1e6, 1e7, 1e8, 1e9];

const BY_TASK = ['queue', 'task'] as const;
type ByTask = (typeof BY_TASK)[number];

/** Events feed the counters and histograms; gauges are read at each scrape. */
export class PrometheusMetrics {
  private readonly register: Registry;
  private readonly prefix: string;
  private readonly metrics: Metric[] = [];
  private readonly added: Counter<ByTask>;
  private readonly settled: Counter<ByTask | 'status'>;
  private readonly retries: Counter<ByTask>;
  private readonly fellBack: Counter<ByTask>;
  private readonly duration: Histogram<ByTask | 'outcome'>;
  private readonly waiting: Histogram<ByTask>;
  private readonly utilization: Histogram<ByTask>;
  private readonly heapGrowth: Histogram<ByTask>;
  private read: { readonly at: number; readonly figures: Promise<Figures> } | undefined;

  /** @throws MissingPeerError */
  constructor(
    private readonly runner: TaskRunner,
    private readonly tasks: BoundedNames,
    options: PrometheusOptions,
  ) {
    const client = requirePeer(
      'prom-client',
      'nestjs-background-tasks/metrics',
    ) as typeof import('prom-client');
    const { buckets = DEFAULT_BUCKETS } = options;
    this.register = options.register ?? client.register;
    this.prefix = options.prefix ?? DEFAULT_PREFIX;
    const histogram = (name: string, help: string, bounds: readonly number[]): Histogram<ByTask> =>
      this.own(new client.Histogram({ ...this.metric(name, help, BY_TASK), buckets: [...bounds] }));
    const counter = <Label extends string>(
      name: string,
      help: string,
      labels: readonly Label[],
    ): Counter<Label> => this.own(new client.Counter(this.metric(name, help, labels)));
    this.added = counter('added_total', 'Tasks that were added.', BY_TASK);
    this.settled = counter('settled_total', 'Tasks that are over, by how they ended.', [
      ...BY_TASK,
      'status',
    ] as const);
    this.retries = counter(
      'retries_total',
      'Attempts that failed and were followed by another.',
      BY_TASK,
    );
    this.fellBack = counter(
      'fell_back_total',
      'Tasks that their store did not take, and that are kept in memory.',
      BY_TASK,
    );
    this.duration = this.own(
      new client.Histogram({
        ...this.metric('duration_seconds', 'How long attempts ran.', [
          ...BY_TASK,
          'outcome',
        ] as const),
        buckets: [...buckets],
      }),
    );
    this.waiting = histogram(
      'waiting_seconds',
      'How long tasks waited to start, since they were released or due.',
      buckets,
    );
    this.utilization = histogram(
      'process_event_loop_utilization',
      'Event loop utilization of the whole process while an attempt ran.',
      SHARES,
    );
    this.heapGrowth = histogram(
      'process_heap_growth_bytes',
      'Heap growth of the whole process while an attempt ran.',
      BYTES,
    );
    for (const [name, help, figure] of GAUGES) {
      this.gauge(client.Gauge, name, help, figure);
    }
  }

  on(event: TaskEvent): void {
    const labels = { queue: event.queue, task: this.tasks.of(event.name) };
    switch (event.type) {
      case 'added':
        return this.added.inc(labels);
      case 'started':
        return this.waiting.observe(labels, event.waitedMs / 1_000);
      case 'retrying':
        this.retries.inc(labels);
        return this.ended(event, labels, 'retrying');
      case 'completed':
      case 'failed':
        this.settled.inc({ ...labels, status: event.type });
        return this.ended(event, labels, event.type);
      case 'cancelled':
      case 'abandoned':
      case 'dropped':
        return this.settled.inc({ ...labels, status: event.type });
      case 'fell-back':
        return this.fellBack.inc(labels);
      case 'queued':
      case 'progress':
        return;
    }
  }

  /** Puts the metrics into the registry, all of them or none. @throws DuplicateMetricsError */
  open(): void {
    const taken = this.metrics.find(({ name }) => this.register.getSingleMetric(name));
    if (taken !== undefined) {
      throw new DuplicateMetricsError(taken.name, this.prefix);
    }
    this.metrics.forEach((metric) => this.register.registerMetric(metric as never));
  }

  /** Removes the metrics from the registry: another application may need the names. */
  close(): void {
    for (const metric of this.metrics) {
      if ((this.register.getSingleMetric(metric.name) as unknown) === metric) {
        this.register.removeSingleMetric(metric.name);
      }
    }
  }

  private ended(
    { durationMs, process }: Extract<TaskEvent, { durationMs: number }>,
    labels: Record<ByTask, string>,
    outcome: string,
  ): void {
    this.duration.observe({ ...labels, outcome }, durationMs / 1_000);
    if (process !== undefined) {
      this.utilization.observe(labels, process.eventLoopUtilization);
      this.heapGrowth.observe(labels, process.heapGrowthBytes);
    }
  }

  private gauge(
    GaugeType: typeof Gauge,
    name: string,
    help: string,
    figure: (queue: QueueFigures) => number,
  ): void {
    const figures = (): Promise<Figures> => this.figures();
    const gauge = new GaugeType<'queue'>({
      ...this.metric(name, help, ['queue'] as const),
      async collect() {
        const current = await figures();
        gauge.reset();
        for (const [queue, each] of Object.entries(current)) {
          gauge.set({ queue }, figure(each));
        }
      },
    });
    this.own(gauge);
  }

  /** One reading serves all gauges of a scrape. If the store does not answer, the gauges are empty. */
  private figures(): Promise<Figures> {
    const now = performance.now();
    if (this.read === undefined || now - this.read.at > 100) {
      const figures = this.runner.stats().then(
        ({ queues }): Figures => queues,
        // The counters must still be scraped: they are worth most while a store is away.
        (): Figures => ({}),
      );
      this.read = { at: now, figures };
    }
    return this.read.figures;
  }

  private own<T extends object>(metric: T): T {
    // prom-client's type of a metric has no name.
    this.metrics.push(metric as Metric);
    return metric;
  }

  /** In no registry yet, so that a start that fails leaves no metric there. */
  private metric<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ): { name: string; help: string; labelNames: readonly Label[]; registers: [] } {
    return { name: `${this.prefix}${name}`, help, labelNames, registers: [] };
  }
}

interface Metric {
  readonly name: string;
}

type Figures = Readonly<Record<string, QueueFigures>>;

const GAUGES: readonly [name: string, help: string, figure: (queue: QueueFigures) => number][] = [
  ['pending', 'Tasks that were added and neither run nor are over.', ({ pending }) => pending],
  ['running', 'Tasks that run.', ({ running }) => running],
  [
    'oldest_pending_age_seconds',
    'How long the oldest of the tasks that wait for a slot has waited.',
    ({ oldestPendingAgeMs = 0 }) => oldestPendingAgeMs / 1_000,
  ],
  ['paused', '1 where the queue is paused.', ({ isPaused }) => Number(isPaused)],
];
