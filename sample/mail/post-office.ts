import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Background, TaskRunner } from 'nestjs-background-tasks';
import { createTransport, type Transporter } from 'nodemailer';
import { Smarthost } from './smarthost.js';

/** Sends mails one at a time, urgent ones first, over one open connection. */
@Injectable()
export class PostOffice implements OnApplicationShutdown {
  private transport: Transporter | undefined;

  constructor(
    private readonly server: Smarthost,
    private readonly runner: TaskRunner,
  ) {}

  /**
   * Adds a task for each mail. Tasks added inside a task are queued at once, and do not wait for
   * each other.
   */
  @Background({ name: 'mail.newsletter' })
  async sendNewsletter(issue: string, recipients: number): Promise<void> {
    for (let number = 1; number <= recipients; number += 1) {
      await this.sendIssue(issue, `reader${number}@example.com`);
    }
  }

  async pending(): Promise<number> {
    const { queues } = await this.runner.stats();
    return queues['mail']?.pending ?? 0;
  }

  @Background({ name: 'mail.issue', queue: 'mail', priority: 'low', retry: { attempts: 3 } })
  async sendIssue(issue: string, to: string): Promise<void> {
    await this.send(to, issue, 'All the news.');
  }

  @Background({
    name: 'mail.passwordReset',
    queue: 'mail',
    priority: 'high',
    retry: { attempts: 5 },
  })
  async sendPasswordReset(to: string, token: string): Promise<void> {
    await this.send(to, 'Your new password', `https://example.com/reset/${token}`);
  }

  onApplicationShutdown(): void {
    this.transport?.close();
  }

  private async send(to: string, subject: string, text: string): Promise<void> {
    const { host, port } = this.server;
    this.transport ??= createTransport({ host, port, pool: true, maxMessages: Infinity });
    await this.transport.sendMail({ from: 'post@example.com', to, subject, text });
  }
}
