import {
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import type { Subscription } from 'rxjs';
import { TaskRunner } from '../index.js';
import { BoundedNames } from './bounded-names.js';
import { checkMetricsOptions, type MetricsOptions } from './metrics-options.js';
import { OpenTelemetryMetrics } from './open-telemetry.js';
import { PrometheusMetrics } from './prometheus-metrics.js';

const DEFAULT_MAX_TASK_NAMES = 100;
const OPTIONS = Symbol('nestjs-background-tasks:metrics-options');

/**
 * Counts and traces all tasks of the application, through `prom-client`, `@opentelemetry/api` or
 * both. Import it beside `BackgroundTasksModule`. Without it metrics cost nothing.
 */
@Module({})
export class BackgroundTasksMetricsModule implements OnModuleInit, OnApplicationShutdown {
  private prometheus: PrometheusMetrics | undefined;
  private openTelemetry: OpenTelemetryMetrics | undefined;
  private subscription: Subscription | undefined;
  private readonly takeAway: (() => void)[] = [];

  /** @internal */
  constructor(
    @Inject(OPTIONS) private readonly options: MetricsOptions,
    @Inject(TaskRunner) private readonly runner: TaskRunner,
  ) {}

  /**
   * @param options the options of Prometheus, OpenTelemetry or both
   * @throws UnknownOptionError, InvalidOptionError
   * @throws MissingPeerError at start-up
   * @throws DuplicateMetricsError at start-up, if the registry already has metrics of these names
   */
  static forRoot(options: MetricsOptions): DynamicModule {
    checkMetricsOptions(options);
    return {
      module: BackgroundTasksMetricsModule,
      providers: [{ provide: OPTIONS, useValue: options }],
    };
  }

  /** Called by Nest when every provider exists. */
  onModuleInit(): void {
    const { prometheus, openTelemetry, maxTaskNames = DEFAULT_MAX_TASK_NAMES } = this.options;
    const names = new BoundedNames(maxTaskNames);
    if (prometheus) {
      const own = prometheus === true ? {} : prometheus;
      const metrics = new PrometheusMetrics(this.runner, names, own);
      this.prometheus = metrics;
      this.runner.atStart(() => metrics.open());
    }
    if (openTelemetry) {
      const traces = new OpenTelemetryMetrics(names, openTelemetry === true ? {} : openTelemetry);
      this.openTelemetry = traces;
      this.takeAway.push(
        this.runner.around((task, run) => traces.around(task, run)),
        this.runner.carry('trace', {
          capture: () => traces.capture(),
          restore: (carrier, run) => traces.restore(carrier, run),
        }),
      );
    }
    this.subscription = this.runner.events.subscribe({
      next: (event) => {
        this.prometheus?.on(event);
        this.openTelemetry?.on(event);
      },
      // Also when the application fails to start, since it may never be closed.
      complete: () => this.prometheus?.close(),
    });
  }

  /** Called by Nest after the drain, so that the last tasks are counted. */
  onApplicationShutdown(): void {
    this.takeAway.forEach((take) => take());
    this.subscription?.unsubscribe();
    this.prometheus?.close();
    this.openTelemetry?.close();
  }
}
