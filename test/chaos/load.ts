import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerProcess } from './server-process.js';

const CONNECTIONS = 20;
/** How long a client waits after a refusal, in milliseconds. */
const REFUSED_MS = 20;

/** Clients that add one task after the other, and remember which ones a server acknowledged. */
export class Load {
  readonly acknowledged = new Set<string>();
  /** Answers other than 2xx, by status. */
  readonly refused = new Map<number, number>();
  /** Requests that were cut off: their tasks may run or not. */
  cutOff = 0;
  /** How long the slowest answer took, in milliseconds. */
  slowestMs = 0;
  private next = 0;
  private isOver = false;

  /** Resolves when every client has lost its connection, or {@link stop} was called. */
  async run(server: ServerProcess): Promise<void> {
    this.isOver = false;
    await Promise.all(Array.from({ length: CONNECTIONS }, () => this.client(server)));
  }

  stop(): void {
    this.isOver = true;
  }

  private async client(server: ServerProcess): Promise<void> {
    while (!this.isOver) {
      this.next += 1;
      const id = `task-${this.next}`;
      const sentAt = performance.now();
      try {
        const { status } = await server.send('POST', `/record/${id}`);
        this.slowestMs = Math.max(this.slowestMs, performance.now() - sentAt);
        if (status >= 200 && status < 300) {
          this.acknowledged.add(id);
        } else {
          this.refused.set(status, (this.refused.get(status) ?? 0) + 1);
          await sleep(REFUSED_MS);
        }
      } catch {
        this.cutOff += 1;
        return;
      }
    }
  }
}

/** The fate of the acknowledged tasks. */
export interface Balance {
  readonly acknowledged: number;
  readonly recorded: number;
  readonly lost: readonly string[];
  /** Runs beyond the first one. */
  readonly duplicates: number;
  /** Tasks that ran although their request was cut off: the client cannot know. */
  readonly unacknowledged: number;
}

export function balanceOf(acknowledged: ReadonlySet<string>, lines: readonly string[]): Balance {
  const recorded = new Set(lines);
  return {
    acknowledged: acknowledged.size,
    recorded: recorded.size,
    lost: [...acknowledged].filter((id) => !recorded.has(id)),
    duplicates: lines.length - recorded.size,
    unacknowledged: [...recorded].filter((id) => !acknowledged.has(id)).length,
  };
}
