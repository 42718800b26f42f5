import { Module } from '@nestjs/common';
import { AnalyticsController } from './analytics.controller.js';
import { EventLog } from './event-log.js';

/** Single events in, one write for each batch of them. */
@Module({ controllers: [AnalyticsController], providers: [EventLog] })
export class AnalyticsModule {}
