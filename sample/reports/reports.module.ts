import { Module } from '@nestjs/common';
import { ReportsController } from './reports.controller.js';

/** A chain of three steps, the second of which may fail. */
@Module({ controllers: [ReportsController] })
export class ReportsModule {}
