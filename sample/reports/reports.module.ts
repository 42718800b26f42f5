import { Module } from '@nestjs/common';
import { ReportsController } from './reports.controller.js';

/** A chain of three steps, of which the second one can fail. */
@Module({ controllers: [ReportsController] })
export class ReportsModule {}
