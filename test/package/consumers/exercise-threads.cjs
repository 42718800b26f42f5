// What both kinds of consumer do with threads.
const assert = require('node:assert/strict');
const { realpathSync } = require('node:fs');

exports.exerciseThreads = async function exerciseThreads(library, threads, path, file, nest) {
  assert.ok(
    realpathSync(path).startsWith(realpathSync(__dirname)),
    `resolved to ${path}, which is not the packed tarball`,
  );
  const whereAndWhat = threads.threadFunction(file, 'whereAndWhat');

  class AppModule {}
  nest.Module({
    imports: [
      library.BackgroundTasksModule.forRoot(),
      threads.BackgroundTasksThreadsModule.forRoot(),
    ],
  })(AppModule);
  const app = await nest.NestFactory.createApplicationContext(AppModule, { logger: false });
  try {
    const runner = app.get(library.TaskRunner);
    const direct = await whereAndWhat('a call');
    assert.equal(direct, 'a call, in a thread');
    const task = runner.addTask(whereAndWhat, 'a task');
    assert.equal(task.name, 'whereAndWhat');
    assert.deepEqual((await task.whenSettled()).status, 'completed');
    const unfit = await runner.addTask(whereAndWhat, () => undefined).whenSettled();
    assert.equal(unfit.error.code, 'BGT_THREAD_ARGUMENT');
    assert.ok(unfit.error instanceof library.BackgroundTasksError);
  } finally {
    await app.close();
  }
  return 'a call and a task ran in a thread';
};
