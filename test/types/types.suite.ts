import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import type ts from 'typescript';
import { messageOf, typeErrors } from '../support/type-check.js';

const CASES = fileURLToPath(new URL('cases', import.meta.url));
const NAMES = readdirSync(CASES).filter((name) => name.endsWith('.ts'));
const pathOf = (name: string): string => join(CASES, name);

/**
 * The directives are made plain comments: they would accept any error, also one that has nothing to do
 * with what is tested.
 */
const TEXTS = new Map(
  NAMES.map((name) => [
    pathOf(name),
    readFileSync(pathOf(name), 'utf8').replaceAll('// @ts-expect-error', '// expected:'),
  ]),
);

/** `// @ts-expect-error 2769 why`: the line below it has an error of this number. */
const DIRECTIVE = /^\s*\/\/ expected: (\d+) .+$/;

/** Line and number of each error that a case says it has. */
function expectedIn(name: string): string[] {
  const lines = TEXTS.get(pathOf(name))?.split('\n') ?? [];
  return lines.flatMap((line, index) => {
    const code = DIRECTIVE.exec(line)?.[1];
    return code === undefined ? [] : [`${index + 2}: TS${code}`];
  });
}

/** What is not expected is of no use without its text. */
function toLine(error: ts.Diagnostic, expected: readonly string[]): string {
  const { line = 0 } = error.file?.getLineAndCharacterOfPosition(error.start ?? 0) ?? {};
  const found = `${line + 1}: TS${error.code}`;
  return expected.includes(found) ? found : `${found} ${messageOf(error)}`;
}

describe('the types', () => {
  it('accept and refuse what they should', () => {
    const errors = typeErrors([...TEXTS.keys()], TEXTS);
    const expected = new Map(NAMES.map((name) => [name, expectedIn(name)]));
    const found = NAMES.map((name): [string, string[]] => [
      name,
      (errors.get(pathOf(name)) ?? []).map((error) => toLine(error, expected.get(name) ?? [])),
    ]);
    expect(new Map(found)).toEqual(expected);
    expect([...expected.values()].flat().length).toBeGreaterThan(20);
  });

  it('O27: have undefined wherever an option may be left out', () => {
    const path = pathOf('exact-optional.ts');
    const errors = typeErrors([path], TEXTS, { exactOptionalPropertyTypes: true });
    expect(errors.get(path)?.map(messageOf)).toEqual([]);
  });
});
