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
   * Network errors and 5xx are retried, with a longer wait each time; 429 and 503 when the receiver
   * asks for it. Every other answer except 2xx is final.
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
    // The same id in every attempt, so that a receiver can recognise duplicates.
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
      // A redirect could lead to an address that was not checked.
      redirect: 'manual',
    });
    // An unread body would keep the connection.
    await response.body?.cancel();
    progress({ attempt, answered: response.status });
    judge(response);
  }

  /** @throws UnrecoverableError for a private address; other errors of the lookup are retried */
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
