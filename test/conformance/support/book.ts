import { Injectable } from '@nestjs/common';
import { Gate } from '../../e2e/support/time.js';
import { Waiting } from '../../support/waiting.js';

export interface Entry {
  readonly tag: string;
  readonly event: 'start' | 'end' | 'aborted';
  readonly attempt: number;
  readonly at: number;
}

/** The story of bodies that run one after the other. */
export const inTurn = (...tags: string[]): string[] =>
  tags.flatMap((tag) => [`start ${tag}`, `end ${tag}`]);

/** What the bodies of tasks have written down, in the order it happened; and what holds them up. */
@Injectable()
export class Book {
  readonly entries: Entry[] = [];
  private readonly gates = new Map<string, Gate>();
  private readonly waiting = new Waiting();

  write(tag: string, event: Entry['event'], attempt: number): void {
    this.entries.push({ tag, event, attempt, at: performance.timeOrigin + performance.now() });
    this.waiting.lookAgain();
  }

  /** `start a`, `end a`: for comparison with a whole story. */
  get story(): string[] {
    return this.entries.map(({ tag, event }) => `${event} ${tag}`);
  }

  /** The tags of the bodies that began, in that order. */
  get started(): string[] {
    return this.entries.filter(({ event }) => event === 'start').map(({ tag }) => tag);
  }

  of(tag: string, event: Entry['event'] = 'start'): Entry[] {
    return this.entries.filter((entry) => entry.tag === tag && entry.event === event);
  }

  /** Resolves when this has been written down so many times. */
  until(tag: string, event: Entry['event'] = 'start', times = 1): Promise<void> {
    return this.waiting.until(() => this.of(tag, event).length >= times);
  }

  gate(tag: string): Promise<void> {
    return this.gateOf(tag).opened;
  }

  /** Lets the bodies go on that wait for it, now and later. */
  open(tag: string): void {
    this.gateOf(tag).open();
  }

  private gateOf(tag: string): Gate {
    const gate = this.gates.get(tag) ?? new Gate();
    this.gates.set(tag, gate);
    return gate;
  }
}
