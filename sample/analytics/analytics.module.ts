import { Module } from '@nestjs/common';
import { AnalyticsController } from './analytics.controller.js';
import { EventLog } from './event-log.js';

/** Takes single events, and writes them in batches. */
@Module({ controllers: [AnalyticsController], providers: [EventLog] })
export class AnalyticsModule {}
