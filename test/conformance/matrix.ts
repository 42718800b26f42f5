/** The engines, as the conformance suites and docs/engines.md call them. */
export const ENGINES = ['memory', 'journal', 'Redis', 'PostgreSQL'] as const;
export type EngineName = (typeof ENGINES)[number];

/** What an engine does with a feature: as the suite says, in a way of its own, or not at all. */
export type Cell = 'same' | { readonly differs: string } | { readonly refused: string };

interface Row {
  /** What users know it by. */
  readonly feature: string;
  /** What it means wherever nothing else is said. */
  readonly means: string;
  /** The journal has none: it does what `means` says. */
  readonly cells: Partial<Record<Exclude<EngineName, 'journal'>, Cell>>;
}

const bullmq = (cell: Cell): Row['cells'] => ({ Redis: cell, PostgreSQL: cell });
const refused = { refused: '`BGT_UNSUPPORTED_OPTION`' } as const;

/**
 * Where engines differ: nothing else in the suites may ask which engine is under test. What is not in
 * `cells` is `same`. docs/engines.md is made of it.
 */
export const MATRIX = {
  arguments: {
    feature: 'arguments',
    means: '`@Background()` methods with JSON arguments, copied when the task is added',
    cells: { memory: { differs: 'any function, any argument; they are not copied' } },
  },
  context: {
    feature: 'async context',
    means: 'only what `carry` brings along',
    cells: { memory: { differs: 'that of the place where the task was added' } },
  },
  order: {
    feature: 'order of a request, `onFailure`',
    means: 'apply to the tasks of one engine: tasks on two engines do not wait for each other',
    cells: {},
  },
  chain: {
    feature: '`chain()`',
    means:
      'all tasks are on one engine, otherwise `BGT_CHAIN` is thrown. If a task does not complete, the tasks ' +
      'behind it are dropped at once',
    cells: bullmq({ differs: 'the tasks behind it are dropped when their turn comes' }),
  },
  chainGrows: {
    feature: 'adding to a chain later',
    means:
      'refused with `BGT_CHAIN` once the chain is stored. A chain of a request is stored when the request is ' +
      'answered, any other chain at the next `await`',
    cells: { memory: { differs: 'the task runs behind the tasks that were added before it' } },
  },
  retryChain: {
    feature: '`retry(id)` of a task in a chain',
    means: 'also brings back the tasks behind it that were dropped because it failed',
    cells: bullmq({
      differs: 'brings back only tasks that the store still remembers (`remember`)',
    }),
  },
  concurrency: {
    feature: '`concurrency`',
    means: 'of the queue, in its one process',
    cells: bullmq({ differs: 'of the queue, in each process' }),
  },
  concurrencyOfAll: {
    feature: '`concurrency: { each, all }`',
    means: '`all` is how many run in all processes that share the queue',
    cells: { PostgreSQL: { refused: '`BGT_INVALID_OPTION` at start-up' } },
  },
  concurrencyKey: { feature: '`concurrencyKey`', means: 'honoured', cells: bullmq(refused) },
  rateLimit: {
    feature: '`rateLimit`',
    means: 'holds in any span of its length',
    cells: bullmq({
      differs:
        'for all processes together, in fixed windows: more may start around the end of a window',
    }),
  },
  priority: {
    feature: '`priority`',
    means: 'while tasks of a higher priority keep coming, a lower one gets one start in eleven',
    cells: bullmq({ differs: 'while tasks of a higher priority keep coming, lower ones wait' }),
  },
  batch: { feature: '`batch`', means: 'honoured', cells: bullmq(refused) },
  dedupe: {
    feature: '`dedupe`',
    means: 'adding a duplicate returns the handle of the task that stands for the key',
    cells: bullmq({ differs: 'the duplicate has a handle of its own, which settles as `dropped`' }),
  },
  dedupeWindow: {
    feature: '`dedupe.window`',
    means: 'a completed or failed task stands for its key until the window ends',
    cells: bullmq(refused),
  },
  dedupeAgain: {
    feature: '`dedupe.again`',
    means: 'a call during the run makes one more run afterwards, with the latest arguments',
    cells: bullmq(refused),
  },
  overflow: {
    feature: "`overflow: 'drop-oldest'`",
    means: 'honoured',
    cells: bullmq({ refused: '`BGT_INVALID_OPTION` at start-up' }),
  },
  maxPending: {
    feature: '`maxPending`',
    means: 'exact',
    cells: bullmq({
      differs: 'tasks that other processes added within the last second are not counted',
    }),
  },
  transaction: {
    feature: '`TaskRunner.using(client)`',
    means: 'refused with `BGT_TRANSACTION`',
    cells: { PostgreSQL: { differs: 'adds tasks in your own transaction' } },
  },
  schedule: {
    feature: '`cron`, `every`, `addSchedule()`',
    means:
      'each tick once, also after a restart. On BullMQ that holds over all processes, by the clock of the store',
    cells: {
      memory: {
        differs: 'each tick once in each process. `addSchedule()` lasts as long as its process',
      },
    },
  },
  result: {
    feature: '`Outcome.result`, `TaskInfo.result`',
    means: 'known to the process that ran the task, as long as it remembers the task',
    cells: bullmq({ differs: 'known to every process, also after a restart' }),
  },
  deadLetters: {
    feature: "`list({ status: 'failed' })`, `retryAll()`, `forgetAll()`",
    means: 'all tasks that failed for good, within `keep`, also after a restart',
    cells: { memory: { differs: 'those since the process started' } },
  },
  pause: { feature: '`pause()`', means: 'pauses this process', cells: {} },
  pauseEverywhere: {
    feature: '`pause(queue, { everywhere: true })`',
    means: 'pauses this process, which is the only one',
    cells: bullmq({ differs: 'pauses all processes, and those that start later' }),
  },
  shutdown: {
    feature: 'a task that waits at shutdown',
    means: 'runs, if the drain timeout allows',
    cells: bullmq({ differs: 'stays in the store for others; its handle settles as `abandoned`' }),
  },
  restart: {
    feature: 'a task that has not settled when the process ends',
    means: 'comes back',
    cells: { memory: { differs: 'is lost, and named in the log of a shutdown' } },
  },
} satisfies Record<string, Row>;

export type Feature = keyof typeof MATRIX;

export function cellOf(feature: Feature, engine: EngineName): Cell {
  const { cells }: Row = MATRIX[feature];
  return (engine === 'journal' ? undefined : cells[engine]) ?? 'same';
}

/** The page that users read. Redis and PostgreSQL share a column, because they seldom differ. */
export function enginesPage(): string {
  const rows = Object.values<Row>(MATRIX).map(({ feature, means, cells }) => {
    const [memory, redis, postgres] = [cells.memory, cells.Redis, cells.PostgreSQL].map(textOf);
    const both = redis === postgres ? redis : `on Redis: ${redis}. On PostgreSQL: ${postgres}`;
    return `| ${[feature, means, memory, both].join(' | ')} |`;
  });
  return `# Engines side by side

Retries, timeouts, priorities, delays, cancellation, order, chains and limits mean the same on every engine, except where a row of this
table says otherwise. If an engine does not support an option of a task or a queue, the application does not start, or \`addTask()\` throws.
The tests in \`test/conformance\` check each row on every engine, and \`npm run docs:engines\` writes this page from them.

The column _the journal_ also explains what each feature means. _Same_ means: the same as the journal.

| | the journal | memory | BullMQ |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function textOf(cell: Cell | undefined): string {
  if (cell === undefined || cell === 'same') {
    return 'same';
  }
  return 'differs' in cell ? cell.differs : `refused with ${cell.refused}`;
}
