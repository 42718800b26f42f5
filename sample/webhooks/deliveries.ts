import { Injectable } from '@nestjs/common';
import {
  Background,
  RetryLaterError,
  UnrecoverableError,
  currentTask,
} from 'nestjs-background-tasks';
import { PrivateAddressError, requirePublicAddress } from './public-address.js';
import { sign } from './signature.js';
import { Subscriptions } from './subscriptions.js';
import { WebhookOptions } from './webhook-options.js';

/** Something that has happened. */
export interface WebhookEvent {
  readonly type: string;
  readonly data?: unknown;
}

@Injectable()
export class Deliveries {
  constructor(
    private readonly subscriptions: Subscriptions,
    private readonly options: WebhookOptions,
  ) {}

  /**
   * Network errors and 5xx are tried again, later each time, and 429 and 503 when the receiver says so.
   * Every other answer than 2xx is final.
   */
  @Background({
    name: 'webhooks.deliver',
    queue: 'webhooks',
    timeout: '10s',
    retry: { attempts: 5, delay: '200ms', maxDelay: '10s' },
  })
  async deliver(subscriptionId: string, event: WebhookEvent): Promise<void> {
    const { id, attempt, signal, progress } = currentTask();
    const subscription = this.subscriptions.find(subscriptionId);
    if (subscription === undefined) {
      throw new UnrecoverableError(`Subscription ${subscriptionId} is gone.`);
    }
    const url = new URL(subscription.url);
    await this.requireAllowed(url);
    // The same id in every attempt: by it a receiver knows what it has had already.
    const body = JSON.stringify({ id, ...event });
    const timestamp = String(Math.floor(Date.now() / 1000));
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-webhook-timestamp': timestamp,
        'x-webhook-signature': sign(subscription.secret, timestamp, body),
      },
      body,
      signal,
      // It could lead to an address that nobody has looked at.
      redirect: 'manual',
    });
    // Unread, it would keep the connection.
    await response.body?.cancel();
    progress({ attempt, answered: response.status });
    judge(response);
  }

  /** @throws UnrecoverableError for a private address; what the lookup throws is tried again */
  private async requireAllowed(url: URL): Promise<void> {
    if (this.options.allowPrivate) {
      return;
    }
    try {
      await requirePublicAddress(url);
    } catch (error) {
      throw error instanceof PrivateAddressError
        ? new UnrecoverableError(error.message, { cause: error })
        : error;
    }
  }
}

function judge(response: Response): void {
  const { status, ok, url } = response;
  if (ok) {
    return;
  }
  const problem = `${url} answered ${status}.`;
  if (status !== 429 && status < 500) {
    throw new UnrecoverableError(problem);
  }
  throw RetryLaterError.after(response, problem);
}
