import { Module } from '@nestjs/common';
import { Deliveries } from './deliveries.js';
import { ReceiverController } from './receiver.controller.js';
import { Subscriptions } from './subscriptions.js';
import { WebhookOptions } from './webhook-options.js';
import { WebhooksController } from './webhooks.controller.js';

/** Events for those who have registered, delivered until they have arrived. */
@Module({
  controllers: [WebhooksController, ReceiverController],
  providers: [Deliveries, Subscriptions, WebhookOptions],
})
export class WebhooksModule {}
