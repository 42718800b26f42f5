import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The pages are the ones that a reader of the repository sees: nothing is written for the site alone. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const PACKAGE = 'nestjs-background-tasks';
const page = (text, link) => ({ text, link: `/${link}` });
const pages = (folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => /^(\d|[a-z]).*\.md$/.test(name))
    .map((name) =>
      page(name.replace(/^\d+-|\.md$/g, '').replaceAll('-', ' '), `${folder}/${name.slice(0, -3)}`),
    );

/** By what a user imports; the package itself comes first. */
const apiPages = () =>
  pages('docs/api')
    .map(({ text, link }) => ({ text: text === 'main' ? PACKAGE : `${PACKAGE}/${text}`, link }))
    .toSorted((a, b) => a.text.localeCompare(b.text));

/** The first heading of each group, in the order in which a reader needs them. */
const GROUPS = {
  Start: [
    ['Overview', ''],
    ['Tour', 'docs/tour'],
    ['What runs when', 'docs/semantics'],
    ['Options', 'docs/options'],
    ['The sample', 'sample/'],
    ['Compared with others', 'docs/comparison'],
    ['Migrating', 'docs/migrating'],
  ],
  'Every day': [
    ['Limits, order and control', 'docs/controls'],
    ['Schedules', 'docs/schedules'],
    ['Results', 'docs/results'],
    ['Dead letters', 'docs/dead-letters'],
    ['What a task may capture', 'docs/capturing'],
    ['CPU work in threads', 'docs/threads'],
    ['Questions and answers', 'docs/faq'],
  ],
  Engines: [
    ['The journal', 'docs/durable'],
    ['BullMQ', 'docs/bullmq'],
    ['Engines side by side', 'docs/engines'],
  ],
  Production: [
    ['Operating', 'docs/operating'],
    ['Shutting down', 'docs/shutdown'],
    ['What it does to your application', 'docs/what-it-does-to-your-application'],
    ['Error codes', 'docs/errors'],
    ['Benchmarks', 'bench/RESULTS'],
  ],
  Project: [
    ['Changelog', 'CHANGELOG'],
    ['Contributing', 'CONTRIBUTING'],
    ['Security', 'SECURITY'],
  ],
};

const fileOf = (link) =>
  join(ROOT, link === '' || link.endsWith('/') ? `${link}README.md` : `${link}.md`);

/** Pages with wide tables have the place of the outline, too. */
const WIDE = new Set([
  'docs/comparison.md',
  'docs/engines.md',
  'docs/errors.md',
  'docs/what-it-does-to-your-application.md',
]);

/** Snippets have lines of up to 100 characters, and tables have many columns. */
const STYLE = `
  .vp-doc table { font-size: 13px; }
  .vp-doc th, .vp-doc td { padding: 6px 10px; }
  .vp-doc [class*='language-'] code { font-size: 13px; }
  .VPDoc.has-aside .content-container.content-container { max-width: 860px; }
`;

const EXCLUDED = ['lib', 'test', 'dist', 'var', 'docs/site', 'docs/api-report.md'];

/** What is no page of the site, such as a source file or the licence, is shown as text. */
function isPage(href, from) {
  const path = join(dirname(from), href.split('#')[0]);
  const isExcluded = EXCLUDED.some((name) => path === name || path.startsWith(`${name}/`));
  return (
    /^(#|[a-z]+:)/.test(href) ||
    (path.endsWith('.md') && !isExcluded && existsSync(join(ROOT, path)))
  );
}

function unlinkFiles({ tokens, env }) {
  for (const { children } of tokens) {
    const opened = [];
    for (const token of children ?? []) {
      if (token.type === 'link_open') opened.push(token);
      if (token.type === 'link_close') {
        const open = opened.pop();
        if (!isPage(open.attrGet('href'), env.relativePath)) {
          Object.assign(open, { tag: 'span', attrs: null });
          token.tag = 'span';
        }
      }
    }
  }
}

export default {
  title: PACKAGE,
  description: 'Answer first, work later: background tasks for NestJS.',
  // There is no icon: without this line each browser asks for one.
  head: [
    ['link', { rel: 'icon', href: 'data:,' }],
    ['style', {}, STYLE],
  ],
  transformPageData({ relativePath }) {
    return WIDE.has(relativePath) ? { frontmatter: { aside: false } } : undefined;
  },
  srcDir: ROOT,
  srcExclude: ['**/node_modules/**', ...EXCLUDED.flatMap((path) => [path, `${path}/**`])],
  outDir: './dist',
  cacheDir: './.cache',
  rewrites: {
    'README.md': 'index.md',
    'docs/README.md': 'docs/index.md',
    'sample/README.md': 'sample/index.md',
    'docs/api/README.md': 'docs/api/index.md',
  },
  // The pages lie outside of this folder, where nothing finds its packages.
  vite: {
    resolve: { alias: { vue: fileURLToPath(new URL('../node_modules/vue', import.meta.url)) } },
  },
  markdown: {
    config: (md) => md.core.ruler.push('unlink-files', unlinkFiles),
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: [
      ...Object.entries(GROUPS).map(([text, items]) => ({
        text,
        items: items
          .filter(([, link]) => existsSync(fileOf(link)))
          .map(([name, link]) => page(name, link)),
      })),
      { text: 'API reference', collapsed: true, items: apiPages() },
      { text: 'Decisions', collapsed: true, items: pages('docs/decisions') },
    ],
  },
};
