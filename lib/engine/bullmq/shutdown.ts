import type { Clock } from '../../task/clock.js';
import type { DrainScope } from '../engine.js';
import type { Idleness } from '../memory/idleness.js';
import { atMost } from '../patience.js';
import type { CollectedTasks } from './commit/collected-tasks.js';
import type { Consumers } from './consumer/consumers.js';
import type { JobStore } from './store/job-store.js';
import type { OwnHandles } from './view/own-handles.js';
import type { Producer } from './commit/producer.js';

/** How long what ended in the last moment may take to be recorded, in milliseconds. */
const RECORD_MS = 1_000;

/** What is shut down. */
export interface ShutdownHost {
  readonly store: JobStore;
  readonly producer: Producer;
  readonly consumers: Consumers;
  readonly collected: CollectedTasks;
  readonly handles: OwnHandles;
  readonly idleness: Idleness;
  readonly clock: Clock;
}

/** How an engine ends: what runs here is waited for, and what waits is the store's. */
export class Shutdown {
  private stopped: Promise<void> | undefined;

  constructor(private readonly host: ShutdownHost) {}

  /** What has not been started stays in the store, for other processes or the next start. */
  async drain(awaited: DrainScope): Promise<void> {
    const { consumers, collected, idleness } = this.host;
    consumers.drain();
    await idleness.when(() => consumers.isIdle && (awaited !== 'collected' || collected.isEmpty));
  }

  /** Once: a shutdown asks several times, and what did not end the first time will not the next. */
  stop(graceMs: number): Promise<void> {
    return (this.stopped ??= this.giveUp(graceMs));
  }

  /** To be called once, when nothing more is admitted. */
  async close(): Promise<void> {
    const { producer, consumers, handles, store, clock } = this.host;
    const closing = [producer.close(), ...consumers.close(), handles.close()];
    await atMost(clock, RECORD_MS, Promise.allSettled(closing));
    await atMost(clock, RECORD_MS, store.close());
    handles.abandon();
  }

  private async giveUp(graceMs: number): Promise<void> {
    const { consumers, idleness, clock } = this.host;
    consumers.interrupt();
    const callOff = clock.after(graceMs, () => consumers.interrupt());
    // A store that is down would be waited for: it finds out by itself that nobody runs them here.
    const idle = idleness.when(() => consumers.isIdle);
    await atMost(clock, graceMs + RECORD_MS, idle);
    callOff();
  }
}
