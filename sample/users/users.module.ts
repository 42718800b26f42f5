import { Module, type OnModuleInit } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { StatusUpdates } from './status-updates.js';
import { StatusChange, User } from './user.entity.js';
import { UsersController } from './users.controller.js';

/**
 * Status updates in a database, each in a transaction. The database is SQLite in the process itself
 * (sql.js), without a server, compiler or file. It has one connection, so the queue `database` runs
 * one task at a time. With another database, its concurrency would be the size of the pool.
 */
@Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'sqljs', entities: [User, StatusChange], synchronize: true }),
  ],
  controllers: [UsersController],
  providers: [StatusUpdates],
})
export class UsersModule implements OnModuleInit {
  constructor(private readonly database: DataSource) {}

  async onModuleInit(): Promise<void> {
    await this.database.manager.insert(User, [
      { name: 'Ada', status: 'active' },
      { name: 'Grace', status: 'active' },
    ]);
  }
}
