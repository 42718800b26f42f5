import { Module } from '@nestjs/common';
import { NotificationsController } from './notifications.controller.js';

/** FastAPI's tutorial on background tasks, as Nest would have it. */
@Module({ controllers: [NotificationsController] })
export class NotificationsModule {}
