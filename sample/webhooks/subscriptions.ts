import { randomBytes, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';

/** A receiver of events. */
export interface Subscription {
  readonly id: string;
  readonly url: string;
  /** The secret that signs the deliveries. */
  readonly secret: string;
}

/** A real application has a database here. */
@Injectable()
export class Subscriptions {
  private readonly byId = new Map<string, Subscription>();

  get all(): readonly Subscription[] {
    return [...this.byId.values()];
  }

  add(url: string): Subscription {
    const secret = randomBytes(24).toString('base64url');
    const subscription: Subscription = { id: randomUUID(), url, secret };
    this.byId.set(subscription.id, subscription);
    return subscription;
  }

  find(id: string): Subscription | undefined {
    return this.byId.get(id);
  }
}
