// What both kinds of consumer do with the library once they have it.
const assert = require('node:assert/strict');
const { realpathSync } = require('node:fs');

const PUBLIC_NAMES = [
  'Background',
  'BackgroundTasks',
  'BackgroundTasksError',
  'BackgroundTasksInterceptor',
  'BackgroundTasksModule',
  'RetryLaterError',
  'TaskChain',
  'TaskHandle',
  'TaskRunner',
  'TransactionTasks',
  'Tasks',
  'UnrecoverableError',
  'currentTask',
];

/** The errors have no list here: a name that is not above must be one of them. */
function checkNames(library) {
  for (const name of PUBLIC_NAMES) assert.ok(name in library, `${name} is not exported`);
  const others = Object.keys(library).filter((name) => !PUBLIC_NAMES.includes(name));
  for (const name of others.filter((other) => other !== '__esModule')) {
    assert.ok(
      library[name].prototype instanceof Error,
      `${name} is exported, and neither listed as public nor an error`,
    );
  }
  return PUBLIC_NAMES.length + others.length;
}

/** Throws unless `library`, found at `path`, is the packed one, has the public names and runs tasks. */
exports.exercise = async function exercise(library, path, { Module, NestFactory }) {
  assert.ok(
    realpathSync(path).startsWith(realpathSync(__dirname)),
    `resolved to ${path}, which is not the packed tarball`,
  );
  const count = checkNames(library);

  class AppModule {}
  Module({ imports: [library.BackgroundTasksModule.forRoot()] })(AppModule);
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
  try {
    const runner = app.get(library.TaskRunner);

    const seen = [];
    const greet = (name, times) => seen.push([library.currentTask().name, name, times]);
    const completed = await runner.addTask(greet, 'Ada', 2).whenSettled();
    assert.equal(completed.status, 'completed');
    assert.deepEqual(seen, [['greet', 'Ada', 2]]);

    const reason = new library.UnrecoverableError('no use');
    const refuse = () => Promise.reject(reason);
    const failed = await runner.addTask({ retry: { attempts: 5 } }, refuse).whenSettled();
    assert.equal(failed.status, 'failed');
    assert.equal(failed.attempts, 1);
    assert.equal(failed.error, reason);
  } finally {
    await app.close();
  }
  return `${count} public names, one task completed, one failed`;
};
