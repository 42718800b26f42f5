import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { BackgroundTasksHealthIndicator } from 'nestjs-background-tasks/health';
import { HealthController } from './health.controller.js';

@Module({
  imports: [TerminusModule],
  controllers: [HealthController],
  providers: [BackgroundTasksHealthIndicator],
})
export class HealthModule {}
