import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));

const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const sources = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => textOf(join('lib', name)));

/** The classes with a code: `[code, class]` of each. */
const declared = sources.flatMap((text) =>
  [...text.matchAll(/class (\w+) extends \w+ \{\s+readonly code = '(BGT_\w+)'/g)].map(
    ([, name = '', code = '']): [string, string] => [code, name],
  ),
);
const codes = [...new Set(declared.map(([code]) => code))].toSorted();

/** The rows of the page's tables with four cells, none of them empty: `[code, class]` of each. */
const documented = [
  ...textOf('docs/errors.md').matchAll(
    /^\| `(BGT_\w+)` \| `(\w+)` \| [^ |][^|]* \| [^ |][^|]* \|$/gm,
  ),
].map(([, code = '', name = '']): [string, string] => [code, name]);

describe('docs/errors.md', () => {
  it('is compared with all codes there are', () => {
    const assignments = sources.join('\n').match(/readonly code = /g);
    expect(declared).toHaveLength(assignments?.length ?? 0);
  });

  it('has a row for every code, and for no other', () => {
    expect(documented.map(([code]) => code).toSorted()).toEqual(codes);
  });

  it.each(documented)('names the class of %s', (code, name) => {
    expect(declared).toContainEqual([code, name]);
  });
});

it.each(['README.md', ...PAGES.map((name) => join('docs', name))])(
  '%s speaks of codes that are there',
  (page) => {
    const mentioned = [...textOf(page).matchAll(/[`'"](BGT_\w*[A-Z])[`'"]/g)].map(
      ([, code]) => code,
    );
    expect(mentioned.filter((code) => !codes.includes(code))).toEqual([]);
  },
);
