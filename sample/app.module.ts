import { Module } from '@nestjs/common';
import { BackgroundTasksModule } from 'nestjs-background-tasks';
import { NotificationsModule } from './notifications/notifications.module.js';
import { SignupModule } from './signup/signup.module.js';

/** A module for each scenario; none knows of another. */
@Module({
  imports: [BackgroundTasksModule.forRoot(), NotificationsModule, SignupModule],
})
export class AppModule {}
