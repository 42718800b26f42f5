import { Module } from '@nestjs/common';
import { NotificationsController } from './notifications.controller.js';

/** FastAPI's tutorial on background tasks, in Nest. */
@Module({ controllers: [NotificationsController] })
export class NotificationsModule {}
