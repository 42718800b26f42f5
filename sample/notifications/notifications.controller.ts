import { Controller, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { FoundQueryGuard } from './found-query.guard.js';
import { writeNotification } from './log-file.js';

@Controller('send-notification')
@UseGuards(FoundQueryGuard)
export class NotificationsController {
  @Post(':email')
  @HttpCode(200)
  send(@Param('email') email: string, @Tasks() tasks: BackgroundTasks) {
    tasks.addTask(writeNotification, email, 'some notification');
    return { message: 'Notification sent in the background' };
  }
}
