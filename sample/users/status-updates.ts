import { Injectable } from '@nestjs/common';
import { Background, UnrecoverableError, currentTask } from 'nestjs-background-tasks';
import { DataSource } from 'typeorm';
import { StatusChange, User, type UserStatus } from './user.entity.js';

@Injectable()
export class StatusUpdates {
  constructor(private readonly database: DataSource) {}

  /**
   * One transaction of its own, on a connection of its own: the request's would be closed by now. It is
   * given the user's id, not the entity, whose state is that of an earlier moment.
   */
  @Background({ name: 'users.setStatus', queue: 'database', timeout: '5s' })
  async set(userId: number, status: UserStatus): Promise<void> {
    const { signal } = currentTask();
    await this.database.transaction(async (transaction) => {
      const user = await transaction.findOneByOrFail(User, { id: userId });
      await transaction.insert(StatusChange, {
        userId,
        from: user.status,
        to: status,
        at: new Date().toISOString(),
      });
      if (user.status === 'closed') {
        // Whatever was written so far, the line above, is rolled back.
        throw new UnrecoverableError(`User ${userId} is closed, and stays so.`);
      }
      await transaction.update(User, { id: userId }, { status });
      // Too late: nobody would count this as done.
      signal.throwIfAborted();
    });
  }
}
