import { Module } from '@nestjs/common';
import { BackgroundTasksBoardModule } from 'nestjs-background-tasks/board';

/** The dashboard at /tasks. With `BOARD_TOKEN` set, only for those who send it. */
@Module({
  imports: [
    BackgroundTasksBoardModule.forRoot({
      route: '/tasks',
      guard: process.env.BOARD_TOKEN === undefined ? undefined : hasToken,
    }),
  ],
})
export class BoardModule {}

function hasToken(request: unknown): boolean {
  const { headers } = request as { headers: Record<string, string | undefined> };
  return headers.authorization === `Bearer ${process.env.BOARD_TOKEN}`;
}
