import { Module } from '@nestjs/common';
import { Deliveries } from './deliveries.js';
import { ReceiverController } from './receiver.controller.js';
import { Subscriptions } from './subscriptions.js';
import { WebhookOptions } from './webhook-options.js';
import { WebhooksController } from './webhooks.controller.js';

/** Delivers events to the registered receivers until they arrive. */
@Module({
  controllers: [WebhooksController, ReceiverController],
  providers: [Deliveries, Subscriptions, WebhookOptions],
})
export class WebhooksModule {}
