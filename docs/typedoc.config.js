import { readFileSync } from 'node:fs';

const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

const STATUSES = [
  'active',
  'completed',
  'delayed',
  'failed',
  'latest',
  'paused',
  'prioritized',
  'waiting',
  'waiting-children',
];

/** @type {Partial<import('typedoc').TypeDocOptions & import('typedoc-plugin-markdown').PluginOptions>} */
export default {
  plugin: ['typedoc-plugin-markdown'],
  // Every way into the package, as package.json has them.
  entryPoints: Object.values(exports)
    .filter((target) => typeof target === 'object')
    .map(({ types }) => types.replace('./dist/', '../lib/').replace(/\.d\.ts$/, '.ts')),
  tsconfig: '../tsconfig.build.json',
  out: 'api',
  outputFileStrategy: 'modules',

  // An undocumented name, a link that leads nowhere, a type that is used and not exported: each is an error.
  validation: { notDocumented: true, notExported: true, invalidLink: true },
  treatWarningsAsErrors: true,
  // Shapes of a single option or argument: what they hold is described where they are used, and nobody needs their names.
  intentionallyNotExported: ['FailedFilter', 'Verdict'],
  intentionallyNotDocumented: [
    'main.Background.__type.Method',
    ...STATUSES.map((name) => `board.TaskQueueAdapter.getJobCounts.__type.${name}`),
  ],
  excludeInternal: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeExternals: true,
  // What only the library itself makes, its errors above all, says nothing about its constructor.
  excludeNotDocumented: true,
  excludeNotDocumentedKinds: ['Constructor'],

  // The pages are kept in the repository and compared: nothing in them may depend on where or when they are made.
  disableSources: true,
  disableGit: true,
  readme: 'none',
  name: 'nestjs-background-tasks',
  // As it is imported.
  pageTitleTemplates: {
    module: ({ name }) => ['nestjs-background-tasks', ...(name === 'main' ? [] : [name])].join('/'),
  },
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  expandParameters: true,
  groupOrder: ['Functions', 'Variables', 'Classes', 'Interfaces', 'Type Aliases'],
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  tableColumnSettings: { hideInherited: true, hideOverrides: true, hideSources: true },
};
