/**
 * `import { … } from 'nestjs-background-tasks/metrics'`: metrics and traces. Needs `prom-client`,
 * `@opentelemetry/api` or both.
 *
 * @module metrics
 */

export { BackgroundTasksMetricsModule } from './background-tasks-metrics.module.js';
export type { MetricsOptions, OpenTelemetryOptions, PrometheusOptions } from './metrics-options.js';
export { DuplicateMetricsError } from './duplicate-metrics.error.js';
