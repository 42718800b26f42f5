import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { snippetsOf, TOUR } from './snippets.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'sample/README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** What the compiler says about `roots`, by file; `files` exist in memory only. */
function compile(
  roots: readonly string[],
  files: ReadonlyMap<string, string>,
): Map<string, string[]> {
  const configFile = join(ROOT, 'tsconfig.json');
  const { config } = ts.readConfigFile(configFile, (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const disk = ts.createCompilerHost(options);
  const host = ts.createCompilerHost(options);
  const directories = new Set([...files.keys()].map((file) => dirname(file)));
  host.fileExists = (file) => files.has(file) || disk.fileExists(file);
  host.readFile = (file) => files.get(file) ?? disk.readFile(file);
  host.directoryExists = (path) => directories.has(path) || disk.directoryExists?.(path) !== false;
  const program = ts.createProgram(roots, options, host);
  const complaints = (file: string): string[] =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(file))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
  return new Map(roots.map((file) => [file, complaints(file)]));
}

describe('the snippets', () => {
  const snippets = new Map<string, string>();
  const tour = snippetsOf(TOUR.map((page) => readFileSync(join(ROOT, page), 'utf8')).join('\n'));
  const beside = new Map<string, string>();
  for (const page of PAGES) {
    // As files beside each other: those of a page may import one another, and those of the tour.
    const own = snippetsOf(readFileSync(join(ROOT, page), 'utf8'));
    own.forEach((code, name) => snippets.set(join(ROOT, 'snippets', page, name), code));
    tour.forEach((code, name) => beside.set(join(ROOT, 'snippets', page, name), code));
  }
  const wrong = join(ROOT, 'snippets/wrong.ts');
  let complaints: Map<string, string[]>;

  beforeAll(() => {
    const code = `
      import { TaskRunner } from 'nestjs-background-tasks';
      export const add = (runner: TaskRunner) => runner.addTask((count: number) => count, 'one');
    `;
    complaints = compile(
      [...snippets.keys(), wrong],
      new Map([...beside, ...snippets, [wrong, code]]),
    );
  });

  it('are found', () => {
    expect(snippets.size).toBeGreaterThan(5);
  });

  it.each([...snippets.keys()].map((file) => file.slice(ROOT.length)))('compiles: %s', (name) => {
    expect(complaints.get(join(ROOT, name))).toEqual([]);
  });

  it('would not compile if they were wrong', () => {
    expect(complaints.get(wrong)?.join()).toMatch(/'string' is not assignable .* 'number'/);
  });
});
