/** Something that has tasks to start. */
export interface Pump {
  pump(): void;
}

/** Says when tasks may start, whatever the limits of their queues allow. */
export interface Pace {
  /** Until then, requests are only kept. */
  open(): void;
  close(): void;
  /** Calls `pump.pump()` when there is time: never before this has returned. */
  request(pump: Pump): void;
  /** Whether one more task may start now. */
  hasTime(): boolean;
}
