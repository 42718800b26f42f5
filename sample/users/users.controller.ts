import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpStatus,
  NotFoundException,
  Param,
  ParseIntPipe,
  Patch,
  ValidationPipe,
} from '@nestjs/common';
import { DataSource } from 'typeorm';
import { NewStatus } from './new-status.js';
import { StatusUpdates } from './status-updates.js';
import { StatusChange, User } from './user.entity.js';

const validation = new ValidationPipe({
  whitelist: true,
  expectedType: NewStatus,
  errorHttpStatusCode: HttpStatus.UNPROCESSABLE_ENTITY,
});

@Controller('users')
export class UsersController {
  constructor(
    private readonly database: DataSource,
    private readonly updates: StatusUpdates,
  ) {}

  @Get(':id')
  async get(@Param('id', ParseIntPipe) id: number) {
    const { name, status } = await this.find(id);
    return {
      id,
      name,
      status,
      history: await this.database.manager.findBy(StatusChange, { userId: id }),
    };
  }

  @Patch(':id/status')
  @HttpCode(202)
  async setStatus(@Param('id', ParseIntPipe) id: number, @Body(validation) { status }: NewStatus) {
    const { name } = await this.find(id);
    await this.updates.set(id, status);
    return { message: `${name} will be ${status}` };
  }

  /** @throws NotFoundException */
  private async find(id: number): Promise<User> {
    const user = await this.database.manager.findOneBy(User, { id });
    if (user === null) {
      throw new NotFoundException(`There is no user ${id}.`);
    }
    return user;
  }
}
