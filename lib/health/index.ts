export { BackgroundTasksHealthIndicator } from './background-tasks.health.js';
export type {
  BackgroundTasksHealth,
  HealthBounds,
  QueueBounds,
  QueueHealth,
} from './health-bounds.js';
