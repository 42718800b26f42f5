import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { enginesPage } from '../conformance/matrix.js';

const PAGE = fileURLToPath(new URL('../../docs/engines.md', import.meta.url));

it('docs/engines.md is what the conformance suites keep to: `npm run docs:engines` makes it', () => {
  if (process.env.WRITE_DOCS === 'engines') {
    writeFileSync(PAGE, enginesPage());
  }
  expect(readFileSync(PAGE, 'utf8')).toBe(enginesPage());
});
