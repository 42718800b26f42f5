import type { FakeClock } from './fake-clock.js';

/** Makes bodies of tasks, and sees when they begin and end, and how many of them there are at once. */
export class Probe {
  /** The names of the bodies, in the order they began. */
  readonly begun: string[] = [];
  /** When each of them did, in milliseconds since the probe was made. */
  readonly begunAt: number[] = [];
  /** `name begins` and `name ends`. */
  readonly log: string[] = [];
  private running = 0;
  /** How many ran at once, at most. */
  most = 0;
  private readonly madeAt: number;

  constructor(private readonly clock: FakeClock) {
    this.madeAt = clock.now();
  }

  /** A body that takes so long, and then throws where there is something to throw. */
  body(name: string, takesMs = 0, error?: Error): () => Promise<void> {
    return async () => {
      this.begun.push(name);
      this.begunAt.push(this.clock.now() - this.madeAt);
      this.log.push(`${name} begins`);
      this.running += 1;
      this.most = Math.max(this.most, this.running);
      if (takesMs > 0) {
        await this.clock.sleep(takesMs);
      }
      this.running -= 1;
      this.log.push(`${name} ends`);
      if (error !== undefined) {
        throw error;
      }
    };
  }
}

/** What a probe logs of bodies that run one after the other. */
export const inTurn = (...names: string[]): string[] =>
  names.flatMap((name) => [`${name} begins`, `${name} ends`]);
