import { Injectable } from '@nestjs/common';

/** From the environment; a test changes it. */
@Injectable()
export class WebhookOptions {
  /** Deliver to private and loopback addresses as well: to try the sample on one machine. */
  allowPrivate = process.env['WEBHOOKS_ALLOW_PRIVATE'] === 'true';
}
