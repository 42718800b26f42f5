/**
 * `import { … } from 'nestjs-background-tasks/health'`: a health indicator. Needs `@nestjs/terminus`.
 *
 * @module health
 */

export { BackgroundTasksHealthIndicator } from './background-tasks.health.js';
export type {
  BackgroundTasksHealth,
  HealthBounds,
  QueueBounds,
  QueueHealth,
} from './health-bounds.js';
