// What is mutated, and the tests that are to notice. A mutant that only a test outside of its group would notice counts as
// a survivor: the scores are lower bounds.
const unit = (...names) => names.map((name) => `test/unit/${name}.spec.ts`);
const e2e = (...names) => names.map((name) => `test/e2e/${name}.e2e-spec.ts`);

const conformance = (...names) => names.map((name) => `test/conformance/${name}.e2e-spec.ts`);

const controls = (...names) => unit(...names.map((name) => `engine-controls/${name}`));

const suites = (...names) => names.map((name) => `test/e2e/request/${name}.suite.ts`);
const messages = (...names) => names.map((name) => `test/e2e/contexts/${name}.suite.ts`);

const REQUESTS = suites('kinds', 'nothing-in-the-way', 'order', 'other-interceptors');
const STORED = [...REQUESTS, ...suites('stored-first')];
const MESSAGES = messages('messages', 'graphql');

/** What is said of the engine in its rooms, and of each engine. */
const ENGINE = [
  ...controls('max-pending', 'batch', 'cancel', 'chain', 'dedupe', 'events', 'task-runner'),
  ...unit('engine/ledger', 'engine/limits', 'engine/shutdown', 'engine/memory.engine'),
  ...conformance('memory'),
];

/** Room → groups of files with the tests they share. The fewer tests a group has, the faster each of its mutants. What
 * they do not notice, those that are `slower` are asked for. */
export const GROUPS = {
  'engine/memory': [
    { mutate: ['lanes'], tests: unit('engine/lanes'), slower: ENGINE },
    { mutate: ['timers'], tests: unit('engine/timers'), slower: ENGINE },
    {
      mutate: ['key-limit', 'rate-limit'],
      tests: [...unit('engine/limits'), ...controls('chain')],
      slower: ENGINE,
    },
    {
      mutate: ['dedupe-keys'],
      tests: unit('engine/dedupe-keys', 'engine-controls/dedupe'),
      slower: ENGINE,
    },
    { mutate: ['task-list'], tests: unit('engine/lanes') },
    { mutate: ['batches', 'members'], tests: controls('batch', 'cancel'), slower: ENGINE },
    { mutate: ['slice'], tests: unit('engine/slice'), slower: ENGINE },
    {
      mutate: ['recorder', 'outside-requests'],
      tests: unit('engine/ledger', 'engine/memory.engine', 'engine/shutdown'),
      slower: [...ENGINE, ...conformance('journal')],
    },
    { mutate: ['memory-queue'], tests: controls('max-pending', 'chain'), slower: ENGINE },
    {
      mutate: ['memory.engine'],
      tests: [
        ...unit('engine/ledger', 'engine/shutdown'),
        ...controls('cancel', 'batch', 'dedupe', 'chain'),
      ],
      slower: [...ENGINE, ...conformance('journal')],
    },
  ],
  run: [
    { mutate: ['retry-policy'], tests: unit('run/retry-policy'), slower: conformance('memory') },
    { mutate: ['attempt-hooks'], tests: unit('run/current-task', 'observe/log') },
    { mutate: ['profiler'], tests: unit('run/profile') },
    {
      mutate: ['attempt', 'lazy-result', 'current-task'],
      tests: unit('run/attempt', 'run/cancel', 'run/result'),
      slower: [...unit('run/current-task', 'run/profile', 'observe/log'), ...ENGINE],
    },
    {
      mutate: ['task-worker'],
      tests: [...controls('events'), ...unit('run/attempt')],
      slower: [...unit('run/current-task', 'run/result', 'observe/log'), ...ENGINE],
    },
    { mutate: ['lifecycle'], tests: unit('run/lifecycle'), slower: e2e('shutdown') },
    {
      mutate: ['sent-error', 'thread', 'thread-options'].map((name) => `threads/${name}`),
      tests: unit('run/threads/thread', 'run/threads/thread-function'),
    },
    { mutate: ['threads/transfer'], tests: unit('run/threads/thread') },
    {
      apart: true,
      mutate: ['threads/thread-pool'],
      tests: unit('run/threads/thread-pool'),
    },
    {
      mutate: ['threads/open-pools', 'threads/thread-function'],
      tests: unit('run/threads/thread-function'),
    },
    {
      apart: true,
      mutate: ['threads/background-tasks-threads.module'],
      tests: e2e('threads/threads'),
    },
    {
      mutate: ['task-list', 'task-runner', 'bulk-of-failed', 'task-statistics'],
      tests: controls('task-runner'),
      slower: [...unit('engine/engine-router'), ...ENGINE, ...conformance('journal')],
    },
  ],
  request: [
    { mutate: ['nest/connections'], tests: unit('request/connections'), slower: REQUESTS },
    { mutate: ['nest/response'], tests: unit('request/response'), slower: REQUESTS },
    { mutate: ['nest/retry-later'], tests: unit('request/retry-later'), slower: suites('refused') },
    { mutate: ['nest/answer-with'], tests: unit('request/answer-with'), slower: STORED },
    { mutate: ['nest/held-response'], tests: unit('request/held-response'), slower: STORED },
    { mutate: ['nest/jobs-per-request'], tests: messages('packages') },
    { mutate: ['nest/message-hook'], tests: unit('request/message-hook'), slower: MESSAGES },
    { mutate: ['nest/request-hook'], tests: unit('request/request-hook'), slower: REQUESTS },
    { mutate: ['nest/route-watch'], tests: REQUESTS },
    {
      mutate: ['message', 'background-tasks.interceptor'],
      tests: unit('request/message', 'intake/tasks.decorator'),
      slower: [...MESSAGES, ...REQUESTS],
    },
    {
      mutate: ['background-tasks', 'tasks.decorator', 'life-of-request'],
      tests: unit('intake/add-task', 'intake/tasks.decorator', 'request/life-of-request'),
      slower: [...REQUESTS, ...MESSAGES],
    },
    {
      mutate: ['plan', 'requests', 'request-life', 'message-life'],
      tests: unit(
        ...['request-life', 'plan', 'message', 'life-of-request'].map((name) => `request/${name}`),
        'intake/wait-watch',
      ),
      slower: [...STORED, ...MESSAGES],
    },
  ],
};
