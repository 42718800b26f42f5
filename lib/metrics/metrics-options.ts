import type { Meter, Tracer } from '@opentelemetry/api';
import type { Registry } from 'prom-client';
import { InvalidOptionError } from '../index.js';
import {
  checkCountOrZero,
  checkHas,
  checkOneOf,
  checkShape,
  checkUnless,
  describe,
  type Check,
  type Shape,
} from '../options/checks.js';

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
   * a label costs memory for good. With 0 no name does.
   * @default 100
   */
  maxTaskNames?: number | undefined;
}

/** See `MetricsOptions.prometheus`. */
export interface PrometheusOptions {
  /** Where the metrics go. @default the default registry of prom-client */
  register?: Registry | undefined;
  /** The prefix of the metrics' names. @default 'background_tasks_' */
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

const PROMETHEUS_SHAPE: Shape<PrometheusOptions> = {
  register: checkHas('registerMetric', 'a Registry of prom-client'),
  prefix: (value, path) => {
    if (typeof value !== 'string' || !/^([A-Za-z_:][\w:]*)?$/.test(value)) {
      const problem = 'expected letters, digits, "_" and ":", no digit first';
      throw new InvalidOptionError(path, `${problem}, got ${describe(value)}.`);
    }
  },
  buckets: (value, path) => {
    const isRising =
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((bound, at) => Number.isFinite(bound) && (at === 0 || bound > value[at - 1]));
    if (!isRising) {
      throw new InvalidOptionError(path, 'expected seconds in rising order, such as [0.1, 1, 10].');
    }
  },
};
const OPEN_TELEMETRY_SHAPE: Shape<OpenTelemetryOptions> = {
  tracer: checkHas('startSpan', 'a Tracer'),
  meter: checkHas('createCounter', 'a Meter'),
  relation: checkOneOf('child', 'link'),
};
const METRICS_SHAPE: Shape<MetricsOptions> = {
  prometheus: switchOr(PROMETHEUS_SHAPE),
  openTelemetry: switchOr(OPEN_TELEMETRY_SHAPE),
  maxTaskNames: checkCountOrZero,
};

/** @throws UnknownOptionError, InvalidOptionError */
export function checkMetricsOptions(options: MetricsOptions): void {
  checkShape<MetricsOptions>(options, 'metrics', METRICS_SHAPE);
  if (!options.prometheus && !options.openTelemetry) {
    throw new InvalidOptionError('metrics', 'set "prometheus", "openTelemetry" or both.');
  }
}

function switchOr<T>(shape: Shape<T>): Check {
  return checkUnless('boolean', (value, path) => checkShape<T>(value, path, shape));
}
