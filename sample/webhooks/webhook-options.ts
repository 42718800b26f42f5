import { Injectable } from '@nestjs/common';

/** Read from the environment; tests change it. */
@Injectable()
export class WebhookOptions {
  /** Whether to deliver to private and loopback addresses as well, to try the sample on one machine. */
  allowPrivate = process.env['WEBHOOKS_ALLOW_PRIVATE'] === 'true';
}
