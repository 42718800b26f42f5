import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { callbackify } from 'node:util';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';

/** A mail as the server got it. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and text, the way they came over the wire. */
  readonly source: string;
}

/**
 * Where the sample's mails go: an SMTP server of its own on a free local port, so that they really
 * travel and nobody gets them. It can be told to refuse deliveries for a while.
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

  /** @param deliveries so many from now on get a temporary error, 451 */
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

  /** The last hook of all: by now the tasks that send mails are over. */
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
