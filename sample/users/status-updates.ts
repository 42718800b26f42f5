import { Injectable } from '@nestjs/common';
import { Background, UnrecoverableError, currentTask } from 'nestjs-background-tasks';
import { DataSource } from 'typeorm';
import { StatusChange, User, type UserStatus } from './user.entity.js';

@Injectable()
export class StatusUpdates {
  constructor(private readonly database: DataSource) {}

  /**
   * Uses its own transaction and connection: those of the request would be closed by now. It gets
   * the user's id, because the entity would have the state of an earlier moment.
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
        // The changes so far are rolled back, the line above included.
        throw new UnrecoverableError(`User ${userId} is closed, and stays so.`);
      }
      await transaction.update(User, { id: userId }, { status });
      // An aborted task must not commit.
      signal.throwIfAborted();
    });
  }
}
