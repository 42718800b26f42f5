// Every relative link of every page leads to a file and a heading that are there; so do the pages that the site lists.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './packed.mjs';

const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' })
  .trim()
  .split('\n');
const textOf = (file) => readFileSync(join(ROOT, file), 'utf8');
const withoutCode = (text, inline = '') =>
  text.replaceAll(/^```.*?^```/gms, '').replaceAll(/`[^`\n]*`/g, inline);

/** The way GitHub turns headings into anchors: those of the same words are numbered. */
function anchorsOf(file) {
  const seen = new Map();
  return [...withoutCode(textOf(file), '$&').matchAll(/^#+ (.+)$/gm)].map(([, heading]) => {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-');
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}

function isDead(page, path, anchor) {
  const file = path === '' ? page : join(dirname(page), path);
  return (
    !existsSync(join(ROOT, file)) || (anchor !== undefined && !anchorsOf(file).includes(anchor))
  );
}

const links = pages.flatMap((page) =>
  [...withoutCode(textOf(page)).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)/g)].map(
    ([link, path, anchor]) => ({ page, link, path, anchor }),
  ),
);
const dead = links.filter(({ page, path, anchor }) => isDead(page, path, anchor));
const listed = [...textOf('docs/site/.vitepress/config.mjs').matchAll(/\['[^']+', '([^']+)'\]/g)];
const missing = listed.filter(
  ([, page]) => !existsSync(join(ROOT, `${page.replace(/\/$/, '/README')}.md`)),
);

assert.deepEqual(
  [dead.map(({ page, link }) => `${page}: ${link}`), missing.map(([entry]) => entry)],
  [[], []],
  'links that lead nowhere',
);
assert.ok(links.length > 100 && listed.length > 10, 'too few links are found');
console.log(`${links.length} links of ${pages.length} pages lead somewhere`);
