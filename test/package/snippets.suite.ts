import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { messageOf, ROOT, typeErrors } from '../support/type-check.js';
import { snippetsOf, TOUR } from './snippets.js';

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'sample/README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

it('the snippets compile, and would not if they were wrong', () => {
  const snippets = new Map<string, string>();
  const tour = snippetsOf(TOUR.map((page) => readFileSync(join(ROOT, page), 'utf8')).join('\n'));
  const beside = new Map<string, string>();
  for (const page of PAGES) {
    // As files beside each other: those of a page may import one another, and those of the tour.
    const own = snippetsOf(readFileSync(join(ROOT, page), 'utf8'));
    own.forEach((code, name) => snippets.set(join(ROOT, 'snippets', page, name), code));
    tour.forEach((code, name) => beside.set(join(ROOT, 'snippets', page, name), code));
  }
  expect(snippets.size).toBeGreaterThan(5);
  const wrong = join(ROOT, 'snippets/wrong.ts');
  const code = `
    import { TaskRunner } from 'nestjs-background-tasks';
    export const add = (runner: TaskRunner) => runner.addTask((count: number) => count, 'one');
  `;
  const texts = new Map([...beside, ...snippets, [wrong, code]]);
  const found = [...typeErrors([...snippets.keys(), wrong], texts)].flatMap(([file, errors]) =>
    errors.map((error) => `${file.slice(ROOT.length)}: ${messageOf(error)}`),
  );
  expect(found).toEqual([
    expect.stringMatching(/^snippets\/wrong\.ts: [^]*'string' is not assignable .* 'number'/),
  ]);
});
