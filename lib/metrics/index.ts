export { BackgroundTasksMetricsModule } from './background-tasks-metrics.module.js';
export type { MetricsOptions, OpenTelemetryOptions, PrometheusOptions } from './metrics-options.js';
