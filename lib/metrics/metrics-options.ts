import type { Meter, Tracer } from '@opentelemetry/api';
import type { Registry } from 'prom-client';

/**
 * The options of `BackgroundTasksMetricsModule.forRoot()`. Set `prometheus`, `openTelemetry` or
 * both.
 */
export interface MetricsOptions {
  /** Metrics in a registry of `prom-client`: `true` for its default one. @default false */
  prometheus?: boolean | PrometheusOptions | undefined;
  /** Spans and metrics through `@opentelemetry/api`: `true` for its global providers. @default false */
  openTelemetry?: boolean | OpenTelemetryOptions | undefined;
  /**
   * How many task names become labels. Later names are counted as `(other)`, because each value of
   * a label costs memory for good.
   * @default 100
   */
  maxTaskNames?: number | undefined;
}

/** See `MetricsOptions.prometheus`. */
export interface PrometheusOptions {
  /** Where the metrics go. @default the default registry of prom-client */
  register?: Registry | undefined;
  /** The prefix of their names. @default 'background_tasks_' */
  prefix?: string | undefined;
  /** The bounds of the histograms of durations and waiting times, in seconds. @default 1 ms to 5 min */
  buckets?: readonly number[] | undefined;
}

/** See `MetricsOptions.openTelemetry`. */
export interface OpenTelemetryOptions {
  /** The tracer that makes the spans. @default a tracer of the global provider */
  tracer?: Tracer | undefined;
  /** The meter that makes the instruments. @default a meter of the global provider */
  meter?: Meter | undefined;
  /**
   * How an attempt's span belongs to the request that added the task: `'child'` puts it into the
   * request's trace, `'link'` gives it a trace of its own. It is linked to the request's either way.
   * @default 'child'
   */
  relation?: 'child' | 'link' | undefined;
}
