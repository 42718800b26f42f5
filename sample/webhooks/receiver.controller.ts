import {
  Body,
  Controller,
  Get,
  Headers,
  HttpCode,
  HttpException,
  ParseIntPipe,
  Post,
  Query,
} from '@nestjs/common';
import { isSignedBy } from './signature.js';
import { Subscriptions } from './subscriptions.js';

/** A delivery, from the receiver's side. */
interface Received {
  readonly body: unknown;
  readonly isSigned: boolean;
}

/** A receiver to try the sample with. In a real application it is another service. */
@Controller('webhook-receiver')
export class ReceiverController {
  private readonly received: Received[] = [];
  private readonly failures = new Map<string, number>();

  constructor(private readonly subscriptions: Subscriptions) {}

  /** @param failures how many attempts of each event get a 500 */
  @Post()
  @HttpCode(204)
  receive(
    @Body() body: { readonly id: string },
    @Headers('x-webhook-timestamp') timestamp: string,
    @Headers('x-webhook-signature') signature: string,
    @Query('failures', new ParseIntPipe({ optional: true })) failures = 0,
  ): void {
    const failed = this.failures.get(body.id) ?? 0;
    if (failed < failures) {
      this.failures.set(body.id, failed + 1);
      throw new HttpException('Not just now', 500);
    }
    const text = JSON.stringify(body);
    const isSigned = this.subscriptions.all.some(({ secret }) =>
      isSignedBy(secret, timestamp, text, signature),
    );
    this.received.push({ body, isSigned });
  }

  @Get()
  list(): readonly Received[] {
    return this.received;
  }
}
