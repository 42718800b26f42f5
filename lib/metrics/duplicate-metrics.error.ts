import { BackgroundTasksError } from '../index.js';

/** A registry of prom-client already holds a metric with one of these names. */
export class DuplicateMetricsError extends BackgroundTasksError {
  readonly code = 'BGT_DUPLICATE_METRICS';

  constructor(
    /** The first name that is taken. */
    readonly metric: string,
    /** The prefix of the names. */
    readonly prefix: string,
  ) {
    super(
      `The registry of prom-client holds a metric "${metric}" already. Another application of this ` +
        'process probably counts there, or one that failed to start and was not closed. Give each ' +
        'application a registry or a prefix of its own, prometheus: { register: new Registry() } or ' +
        `prometheus: { prefix: 'other_${prefix}' }, or close the other one first.`,
    );
  }
}
