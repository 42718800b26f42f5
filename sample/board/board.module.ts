import { Module } from '@nestjs/common';
import { BackgroundTasksBoardModule } from 'nestjs-background-tasks/board';
import { boardPassword } from './board-password.js';
import { PasswordGuard } from './password.guard.js';

/** The dashboard at /tasks, behind a password. */
@Module({
  imports: [
    BackgroundTasksBoardModule.forRoot({
      route: '/tasks',
      guard: new PasswordGuard(boardPassword),
    }),
  ],
})
export class BoardModule {}
