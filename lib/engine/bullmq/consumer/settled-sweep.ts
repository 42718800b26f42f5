import type { Clock } from '../../../task/clock.js';
import type { ConsumerSettings } from './held-jobs.js';
import type { JobStore } from '../store/job-store.js';

/** How often settled jobs are counted where the store keeps too many, in milliseconds. */
const SWEEP_MS = 30_000;
/** As BullMQ has it. */
const NO_LIMIT = 0;

/** Bounds what is kept of a queue's settled tasks, for a store that does not let go of them by itself. */
export class SettledSweep {
  private callOff: (() => void) | undefined;

  constructor(
    private readonly queue: string,
    private readonly store: JobStore,
    private readonly settings: ConsumerSettings,
    private readonly clock: Clock,
  ) {}

  start(): void {
    if (this.store.retention({ count: 0, ageMs: 0 }) === undefined) {
      this.callOff = this.clock.after(SWEEP_MS, () => {
        this.sweep();
        this.start();
      });
    }
  }

  stop(): void {
    this.callOff?.();
  }

  private sweep(): void {
    const queue = this.store.queue(this.queue);
    const kinds = [
      ['completed', { count: this.settings.remember, ageMs: Infinity }],
      ['failed', this.settings.keep],
    ] as const;
    for (const [kind, { count: keep, ageMs }] of kinds) {
      // Several workers may sweep at once: what one counts the other may have removed already.
      void queue
        .getJobCountByTypes(kind)
        .then((count) => (count > keep ? queue.clean(0, count - keep, kind) : []))
        .catch(() => undefined);
      if (Number.isFinite(ageMs)) {
        void queue.clean(ageMs, NO_LIMIT, kind).catch(() => undefined);
      }
    }
  }
}
