import { Module } from '@nestjs/common';
import { BackgroundTasksMetricsModule } from 'nestjs-background-tasks/metrics';
import { MetricsController } from './metrics.controller.js';

@Module({
  imports: [BackgroundTasksMetricsModule.forRoot({ prometheus: true })],
  controllers: [MetricsController],
})
export class MetricsModule {}
