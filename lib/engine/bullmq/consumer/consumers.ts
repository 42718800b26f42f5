import { atMost } from '../../patience.js';
import { Consumer } from './consumer.js';
import type { ConsumerHost } from './held-jobs.js';

/** One consumer for each queue. */
export class Consumers {
  private readonly all: readonly Consumer[];
  private lastAlone: Promise<unknown> = Promise.resolve();

  constructor(private readonly host: ConsumerHost) {
    this.all = host.queues.map((limits) => new Consumer(host, limits, (act) => this.alone(act)));
  }

  /** Once the store has been reached. */
  start(): void {
    this.all.forEach((consumer) => consumer.start());
    this.host.store.listen(
      (id) => void this.cancel(id),
      () => this.all.forEach((consumer) => void consumer.cancelMarked()),
    );
  }

  /** @param queue all of them where there is none */
  pause(queue: string | undefined): void {
    this.named(queue).forEach((consumer) => consumer.pause('paused'));
  }

  /** @param queue all of them where there is none */
  resume(queue: string | undefined): void {
    this.named(queue).forEach((consumer) => consumer.resume('paused'));
  }

  isPaused(queue: string): boolean {
    return this.named(queue).some((consumer) => consumer.isPausedBy('paused'));
  }

  /** None takes any more, for good. */
  drain(): void {
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
  private alone<T>(act: () => Promise<T>): Promise<T> {
    const { clock, settings, idleness } = this.host;
    const turn = this.lastAlone.then(async () => {
      this.all.forEach((consumer) => consumer.pause('alone'));
      try {
        const idle = idleness.when(() => this.all.every(({ attempting }) => attempting === 0));
        await atMost(clock, settings.lockDurationMs, idle);
        return await act();
      } finally {
        this.all.forEach((consumer) => consumer.resume('alone'));
      }
    });
    this.lastAlone = turn.catch(() => undefined);
    return turn;
  }

  private named(queue: string | undefined): Consumer[] {
    return this.all.filter(({ name }) => queue === undefined || queue === name);
  }
}
