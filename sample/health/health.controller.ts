import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import { BackgroundTasksHealthIndicator } from 'nestjs-background-tasks/health';

@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly tasks: BackgroundTasksHealthIndicator,
  ) {}

  /** Answers 503 while a task has waited for a minute, or a tenth of the latest tasks has failed. */
  @Get()
  @HealthCheck()
  check(): Promise<HealthCheckResult> {
    return this.health.check([
      () => this.tasks.check('tasks', { maxPendingAge: '1m', maxFailureRate: 0.1 }),
    ]);
  }
}
