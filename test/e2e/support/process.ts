import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../../', import.meta.url);
const PROGRAMS = new URL('.cache/compiled/test/e2e/processes/', ROOT);

export interface Ended {
  readonly code: number | null;
  /** Set where it did not end by itself. */
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

/** It is killed before the limit of a test is reached, so that the test can show what it printed. */
const PATIENCE_MS = 100_000;

/** Runs a TypeScript file of `test/e2e/processes/` in a process of its own. */
export function runProcess(file: string, args: readonly string[] = []): Promise<Ended> {
  const path = fileURLToPath(new URL(file.replace(/ts$/, 'js'), PROGRAMS));
  const child = spawn(process.execPath, [path, ...args], {
    cwd: fileURLToPath(ROOT),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, output, errors });
    });
  });
}
