import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));
const cases = join(here, 'cases');
const root = join(here, '..', '..');
const names = readdirSync(cases).filter((name) => name.endsWith('.ts'));

/** `// @ts-expect-error 2769 why`: the line below it has an error of this number. */
const DIRECTIVE = /^\s*\/\/ @ts-expect-error (\d+) .+$/;

/** Line and number of each error that a case says it has. */
function expectedIn(name: string): string[] {
  const lines = readFileSync(join(cases, name), 'utf8').split('\n');
  return lines.flatMap((line, index) => {
    const code = DIRECTIVE.exec(line)?.[1];
    return code === undefined ? [] : [`${index + 2}: TS${code}`];
  });
}

/**
 * The errors that the compiler finds in the cases, by file. The directives are made plain comments
 * first: they would accept any error, also one that has nothing to do with what is tested.
 */
function findErrors(own: ts.CompilerOptions = {}): Map<string, string[]> {
  const configPath = join(root, 'tsconfig.json');
  const config = ts.readConfigFile(configPath, (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const readFile = host.readFile.bind(host);
  host.readFile = (path) => {
    const text = readFile(path);
    return path.startsWith(cases) ? text?.replaceAll('// @ts-expect-error', '// expected:') : text;
  };
  const program = ts.createProgram(
    names.map((name) => join(cases, name)),
    { ...options, ...own },
    host,
  );
  const found = new Map<string, string[]>();
  for (const { file, start, code, messageText } of ts.getPreEmitDiagnostics(program)) {
    const name = file?.fileName.startsWith(cases)
      ? file.fileName.slice(cases.length + 1)
      : (file?.fileName ?? 'the program');
    const line = (file?.getLineAndCharacterOfPosition(start ?? 0).line ?? 0) + 1;
    const isExpected = names.includes(name) && expectedIn(name).includes(`${line}: TS${code}`);
    // What is not expected is of no use without its text.
    const text = isExpected ? '' : ` ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    found.set(name, [...(found.get(name) ?? []), `${line}: TS${code}${text}`]);
  }
  return found;
}

describe('the types', () => {
  let found = new Map<string, string[]>();
  beforeAll(() => {
    found = findErrors();
  });

  it.each(names)('accept and refuse what they should in %s', (name) => {
    expect(found.get(name) ?? []).toEqual(expectedIn(name));
  });

  it('O27: have undefined wherever an option may be left out', () => {
    const exact = findErrors({ exactOptionalPropertyTypes: true });
    expect(exact.get('exact-optional.ts') ?? []).toEqual([]);
  });

  it('are sound everywhere else', () => {
    expect([...found.keys()].filter((name) => !names.includes(name))).toEqual([]);
  });
});
