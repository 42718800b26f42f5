import type { QueueLimits } from '../../engine.js';
import { Consumer } from './consumer.js';
import type { ConsumerHost } from './consumer-host.js';

/** One consumer for each queue, once the store has been reached; which of them are paused, before that too. */
export class Consumers {
  private readonly byQueue = new Map<string, Consumer>();
  private readonly paused = new Set<string>();
  private isDraining = false;

  constructor(private readonly queues: readonly QueueLimits[]) {}

  start(host: ConsumerHost): void {
    for (const limits of this.queues) {
      const consumer = new Consumer(host, limits);
      this.byQueue.set(limits.name, consumer);
      if (this.isDraining || this.paused.has(limits.name)) {
        void consumer.pause();
      }
      consumer.start();
    }
    host.store.listen(
      (id) => void this.cancel(id),
      () => this.all.forEach((consumer) => void consumer.cancelMarked()),
    );
  }

  /** @param queue all of them where there is none */
  pause(queue: string | undefined): void {
    for (const name of this.named(queue)) {
      this.paused.add(name);
      void this.byQueue.get(name)?.pause();
    }
  }

  /** @param queue all of them where there is none */
  resume(queue: string | undefined): void {
    for (const name of this.named(queue)) {
      this.paused.delete(name);
      if (!this.isDraining) {
        this.byQueue.get(name)?.resume();
      }
    }
  }

  isPaused(queue: string): boolean {
    return this.paused.has(queue);
  }

  /** None takes any more, for good. */
  drain(): void {
    this.isDraining = true;
    this.all.forEach((consumer) => void consumer.pause());
  }

  running(queue: string): number {
    return this.byQueue.get(queue)?.running ?? 0;
  }

  get isIdle(): boolean {
    return this.all.every(({ running }) => running === 0);
  }

  has(id: string): boolean {
    return this.all.some((consumer) => consumer.has(id));
  }

  /** @returns whether one of them has it */
  cancel(id: string): boolean {
    return this.all.some((consumer) => consumer.cancel(id));
  }

  interrupt(): void {
    this.all.forEach((consumer) => consumer.interrupt());
  }

  close(): Promise<void>[] {
    return this.all.map((consumer) => consumer.close());
  }

  private get all(): Consumer[] {
    return [...this.byQueue.values()];
  }

  private named(queue: string | undefined): string[] {
    return this.queues
      .map(({ name }) => name)
      .filter((name) => queue === undefined || queue === name);
  }
}
