import { Module } from '@nestjs/common';
import { MailServer } from './mail-server.js';
import { Mailer } from './mailer.js';
import { MailsController } from './mails.controller.js';
import { SignupController } from './signup.controller.js';
import { Users } from './users.js';

/** A registration, and a welcome mail that its answer does not wait for. */
@Module({
  controllers: [SignupController, MailsController],
  providers: [Users, Mailer, MailServer],
})
export class SignupModule {}
