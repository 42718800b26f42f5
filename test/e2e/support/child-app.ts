import { fork, type ForkOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach } from '@jest/globals';
import { Waiting } from '../../support/waiting.js';

const ROOT = new URL('../../../', import.meta.url);
const PROGRAMS = new URL('.cache/compiled/test/e2e/processes/', ROOT);

/** How a process ended: `signal` where it did not by itself. */
interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program in a process of its own that a test talks to. Killed after the test. */
export class ChildApp {
  output = '';
  errors = '';
  readonly ended: Promise<Ended>;
  private readonly child: ReturnType<typeof fork>;
  private readonly waiting = new Waiting();

  constructor(path: string, args: readonly string[] = [], options: ForkOptions = {}) {
    const stdio = ['ignore', 'pipe', 'pipe', 'ipc'] as const;
    this.child = fork(path, args, { cwd: fileURLToPath(ROOT), ...options, stdio: [...stdio] });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
      this.waiting.lookAgain();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => resolve({ code, signal }));
    });
    started.push(this);
  }

  /** A TypeScript file of `test/e2e/processes/`. */
  static start(file: string, ...args: string[]): ChildApp {
    return new ChildApp(fileURLToPath(new URL(file.replace(/ts$/, 'js'), PROGRAMS)), args);
  }

  /** The lines that it has printed. */
  get lines(): string[] {
    return this.output.split('\n').slice(0, -1);
  }

  /**
   * Resolves to the line that is the first to begin with `start`, or number `count` of those.
   * Rejects when none can come any more.
   */
  line(start: string, count = 1): Promise<string> {
    return this.until(start, () => this.all(start)[count - 1]);
  }

  /** The lines that begin with `start`. */
  all(start: string): string[] {
    return this.lines.filter((line) => line.startsWith(start));
  }

  /** Resolves to the first match when as many have been printed. Rejects when they cannot be any more. */
  match(pattern: RegExp, count = 1): Promise<RegExpMatchArray> {
    return this.until(pattern, () => {
      const found = [...this.output.matchAll(pattern)];
      return found.length < count ? undefined : found[0];
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  tell(message: string): void {
    this.child.send(message);
  }

  private async until<T>(what: unknown, find: () => T | undefined): Promise<T> {
    await Promise.race([this.waiting.until(() => find() !== undefined), this.ended]);
    const found = find();
    if (found === undefined) {
      throw new Error(`It ended without "${String(what)}": ${this.output}\n${this.errors}`);
    }
    return found;
  }
}

/** A server of `test/e2e/processes/`, started and listening. */
export async function startServer(
  file: string,
  setup: object,
): Promise<{ child: ChildApp; port: number }> {
  const child = ChildApp.start(file, JSON.stringify(setup));
  const port = Number((await child.line('port ')).slice('port '.length));
  return { child, port };
}

/** Runs a TypeScript file of `test/e2e/processes/` to its end. */
export async function runProcess(
  file: string,
  ...args: string[]
): Promise<Ended & Pick<ChildApp, 'output' | 'errors'>> {
  const child = ChildApp.start(file, ...args);
  const ended = await child.ended;
  return { ...ended, output: child.output, errors: child.errors };
}

/** Resolves to what a file of `test/e2e/processes/` prints. Rejects if it fails. */
export async function outputOf(file: string): Promise<string> {
  const { code, output, errors } = await runProcess(file);
  if (code !== 0) {
    throw new Error(errors);
  }
  return output;
}

const started: ChildApp[] = [];

afterEach(async () => {
  for (const child of started.splice(0)) {
    child.signal('SIGKILL');
    await child.ended;
  }
});
