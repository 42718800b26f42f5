import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach } from '@jest/globals';
import { Waiting } from '../../support/waiting.js';

const ROOT = new URL('../../../', import.meta.url);
const PROGRAMS = new URL('.cache/compiled/test/e2e/processes/', ROOT);

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A TypeScript file of `test/e2e/processes/` in a process of its own that a test talks to. */
export class ChildApp {
  /** What it has printed. */
  readonly lines: string[] = [];
  readonly ended: Promise<Ended>;
  private rest = '';
  private errors = '';
  private readonly waiting = new Waiting();

  private constructor(private readonly child: ReturnType<typeof fork>) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.print(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  static start(file: string, ...args: string[]): ChildApp {
    const path = fileURLToPath(new URL(file.replace(/ts$/, 'js'), PROGRAMS));
    const child = new ChildApp(
      fork(path, args, {
        cwd: fileURLToPath(ROOT),
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      }),
    );
    started.push(child);
    return child;
  }

  /**
   * Resolves to the line that is the first to begin with `start`, or number `count` of those.
   * Rejects when none can come any more.
   */
  async line(start: string, count = 1): Promise<string> {
    const find = (): string | undefined => this.all(start)[count - 1];
    await Promise.race([this.waiting.until(() => find() !== undefined), this.ended]);
    const found = find();
    if (found === undefined) {
      throw new Error(`It ended without "${start}": ${this.lines.join('\n')}\n${this.errors}`);
    }
    return found;
  }

  /** The lines that begin with `start`. */
  all(start: string): string[] {
    return this.lines.filter((line) => line.startsWith(start));
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  tell(message: string): void {
    this.child.send(message);
  }

  private print(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    this.lines.push(...lines);
    this.waiting.lookAgain();
  }
}

const started: ChildApp[] = [];

afterEach(async () => {
  for (const child of started.splice(0)) {
    child.signal('SIGKILL');
    await child.ended;
  }
});
