import { Injectable } from '@nestjs/common';
import { Background } from 'nestjs-background-tasks';

@Injectable()
export class Mailer {
  readonly sent: string[] = [];
  isDown = false;

  @Background({ retry: { attempts: 3, delay: '1m', jitter: 'none' } })
  async sendWelcome(email: string): Promise<void> {
    if (this.isDown) {
      throw new Error('the mail server is down');
    }
    this.sent.push(email);
  }
}
