import type { QueueLimits } from '../../engine.js';
import { atMost } from '../../patience.js';
import { Consumer } from './consumer.js';
import type { ConsumerHost } from './held-jobs.js';

/** One consumer for each queue, once the store has been reached; which of them are paused, before that too. */
export class Consumers {
  private readonly byQueue = new Map<string, Consumer>();
  private readonly paused = new Set<string>();
  private isDraining = false;
  private lastAlone: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly queues: readonly QueueLimits[],
    private readonly whenIdle: (isIdle: () => boolean) => Promise<void>,
  ) {}

  start(host: ConsumerHost): void {
    for (const limits of this.queues) {
      const { name } = limits;
      const consumer = new Consumer(host, limits, (act) => this.alone(act, host));
      this.byQueue.set(name, consumer);
      if (this.paused.has(name)) {
        consumer.pause('paused');
      }
      if (this.isDraining) {
        consumer.pause('shutdown');
      }
      consumer.start();
      void this.limitAll(host, limits);
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
      this.byQueue.get(name)?.pause('paused');
    }
  }

  /** @param queue all of them where there is none */
  resume(queue: string | undefined): void {
    for (const name of this.named(queue)) {
      this.paused.delete(name);
      this.byQueue.get(name)?.resume('paused');
    }
  }

  isPaused(queue: string): boolean {
    return this.paused.has(queue);
  }

  /** None takes any more, for good. */
  drain(): void {
    this.isDraining = true;
    this.all.forEach((consumer) => consumer.pause('shutdown'));
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

  /**
   * Runs nothing beside `act`: what runs ends first, if it does before a lock would, and nothing is
   * taken meanwhile.
   */
  private alone<T>(act: () => Promise<T>, { clock, settings }: ConsumerHost): Promise<T> {
    const turn = this.lastAlone.then(async () => {
      this.all.forEach((consumer) => consumer.pause('alone'));
      try {
        const idle = this.whenIdle(() => this.all.every(({ attempting }) => attempting === 0));
        await atMost(clock, settings.lockDurationMs, idle);
        return await act();
      } finally {
        this.all.forEach((consumer) => consumer.resume('alone'));
      }
    });
    this.lastAlone = turn.catch(() => undefined);
    return turn;
  }

  /** Kept with the queue, also for processes that know nothing of it: the latest to start decides. */
  private async limitAll(
    host: ConsumerHost,
    { name, concurrencyOfAll }: QueueLimits,
  ): Promise<void> {
    const queue = host.store.queue(name);
    const limit = (): Promise<unknown> =>
      concurrencyOfAll === undefined
        ? queue.removeGlobalConcurrency()
        : queue.setGlobalConcurrency(concurrencyOfAll);
    await host.persistence.untilAnswered(limit).catch(() => undefined); // closed meanwhile
  }

  private get all(): Consumer[] {
    return [...this.byQueue.values()];
  }

  private named(queue: string | undefined): string[] {
    const names = this.queues.map(({ name }) => name);
    return names.filter((name) => queue === undefined || queue === name);
  }
}
