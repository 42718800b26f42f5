import {
  Body,
  Controller,
  ParseIntPipe,
  Post,
  Query,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common';
import { MailServer } from './mail-server.js';
import { Mailer } from './mailer.js';
import { SignUp } from './sign-up.js';
import { Users, type User } from './users.js';

@Controller('signup')
export class SignupController {
  constructor(
    private readonly users: Users,
    private readonly mailer: Mailer,
    private readonly mailServer: MailServer,
  ) {}

  /** @param failures how many of the next deliveries are refused, to show the retries */
  @Post()
  @UsePipes(new ValidationPipe({ whitelist: true }))
  async signUp(
    @Body() { email, name }: SignUp,
    @Query('failures', new ParseIntPipe({ optional: true })) failures?: number,
  ): Promise<User> {
    const user = this.users.register(email, name);
    if (failures !== undefined) {
      this.mailServer.refuseNext(failures);
    }
    // Resolves when the task is accepted. It runs after the response has closed.
    await this.mailer.sendWelcome(user.id);
    return user;
  }
}
