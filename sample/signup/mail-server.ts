import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { callbackify } from 'node:util';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';

/** A mail as the server received it. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and text, as they were sent. */
  readonly source: string;
}

/**
 * Receives the sample's mails: an SMTP server on a free local port, so that mails really travel but
 * reach nobody. It can refuse deliveries for a while.
 */
@Injectable()
export class MailServer implements OnModuleInit, OnApplicationShutdown {
  readonly host = '127.0.0.1';
  private readonly logger = new Logger(MailServer.name);
  private readonly mails: Mail[] = [];
  private refusals = 0;
  private server: SMTPServer | undefined;

  get received(): readonly Mail[] {
    return this.mails;
  }

  get port(): number {
    const address = this.server?.server.address() as AddressInfo | null | undefined;
    if (!address) {
      throw new Error('The mail server does not listen.');
    }
    return address.port;
  }

  /** @param deliveries how many of the next deliveries get a temporary error, 451 */
  refuseNext(deliveries: number): void {
    this.refusals = deliveries;
  }

  /** `MAIL_FAILURES=2` in the environment refuses the first two deliveries. */
  async onModuleInit(): Promise<void> {
    this.refuseNext(Number(process.env['MAIL_FAILURES'] ?? 0));
    this.server = new SMTPServer({
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      closeTimeout: 1_000,
      onData: callbackify((stream: SMTPServerDataStream, session: SMTPServerSession) =>
        this.receive(stream, session),
      ),
    });
    await once(this.server.listen(0, this.host), 'listening');
    this.logger.log(`Mails go to smtp://${this.host}:${this.port}`);
  }

  /** The last hook: the tasks that send mails are over by now. */
  async onApplicationShutdown(): Promise<void> {
    await new Promise<void>((resolve) => this.server?.close(resolve) ?? resolve());
    this.logger.log('The mail server has closed');
  }

  private async receive(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<void> {
    const source = await text(stream);
    if (this.refusals > 0) {
      this.refusals -= 1;
      throw Object.assign(new Error('Try again later'), { responseCode: 451 });
    }
    const { mailFrom, rcptTo } = session.envelope;
    this.mails.push({
      from: mailFrom ? mailFrom.address : '',
      to: rcptTo.map(({ address }) => address),
      source,
    });
  }
}
