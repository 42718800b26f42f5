import { Injectable } from '@nestjs/common';
import { Background, UnrecoverableError } from 'nestjs-background-tasks';
import { createTransport, type Transporter } from 'nodemailer';
import { MailServer } from './mail-server.js';
import { Users } from './users.js';

@Injectable()
export class Mailer {
  private transport: Transporter | undefined;

  constructor(
    private readonly users: Users,
    private readonly server: MailServer,
  ) {}

  /** Takes the id, not the user: a retry minutes later uses the address of that time. */
  @Background({ retry: { attempts: 5, delay: '200ms' } })
  async sendWelcome(userId: string): Promise<void> {
    const user = this.users.find(userId);
    if (user === undefined) {
      throw new UnrecoverableError(`User ${userId} is gone: there is nobody to welcome.`);
    }
    // Not in the constructor: the server has no port before the application starts.
    this.transport ??= createTransport({ host: this.server.host, port: this.server.port });
    await this.transport.sendMail({
      from: 'welcome@example.com',
      to: { name: user.name, address: user.email },
      subject: 'Welcome',
      text: `Good to have you, ${user.name}.`,
    });
  }
}
