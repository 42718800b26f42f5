import { randomUUID } from 'node:crypto';
import { Body, Controller, Get, HttpCode, HttpStatus, Post, ValidationPipe } from '@nestjs/common';
import { IsEmail, IsInt, IsNotEmpty, IsString, Max, Min } from 'class-validator';
import { PostOffice } from './post-office.js';
import { Smarthost } from './smarthost.js';

class Newsletter {
  @IsString()
  @IsNotEmpty()
  readonly issue!: string;

  @IsInt()
  @Min(1)
  @Max(10_000)
  readonly recipients!: number;
}

class PasswordReset {
  @IsEmail()
  readonly email!: string;
}

const validation = new ValidationPipe({
  whitelist: true,
  errorHttpStatusCode: HttpStatus.UNPROCESSABLE_ENTITY,
});

@Controller('mail')
export class MailController {
  constructor(
    private readonly office: PostOffice,
    private readonly server: Smarthost,
  ) {}

  @Post('newsletter')
  @HttpCode(202)
  async newsletter(@Body(validation) { issue, recipients }: Newsletter) {
    await this.office.sendNewsletter(issue, recipients);
    return { message: `${recipients} mails will be sent` };
  }

  /** Gives the same answer whether the user exists or not. */
  @Post('password-reset')
  @HttpCode(202)
  async passwordReset(@Body(validation) { email }: PasswordReset) {
    await this.office.sendPasswordReset(email, randomUUID());
    return { message: 'If there is an account, a mail is on its way' };
  }

  /** `resetsAfter`: how many mails had been sent when each password reset was sent. */
  @Get()
  async state() {
    const mails = this.server.received;
    const resetsAfter = mails.flatMap(({ source }, index) =>
      source.includes('Subject: Your new password') ? [index] : [],
    );
    return { pending: await this.office.pending(), sent: mails.length, resetsAfter };
  }
}
