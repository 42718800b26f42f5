// What both kinds of consumer do with the durable engines. No server is needed: one that is not there is answered for.
const assert = require('node:assert/strict');
const { mkdtempSync, realpathSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

exports.exerciseDurable = async function exerciseDurable(library, engines, paths, nest) {
  for (const path of paths) {
    assert.ok(
      realpathSync(path).startsWith(realpathSync(__dirname)),
      `resolved to ${path}, which is not the packed tarball`,
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'journal-'));
  try {
    const kept = await runOne(library, nest, engines.journal({ path: folder }));
    assert.deepEqual(kept, { status: 'completed', ran: ['Ada'] });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  for (const connection of ['redis://127.0.0.1:1', 'postgres://127.0.0.1:1/tasks']) {
    const engine = engines.bullmq({ connection, role: 'producer', commitTimeout: '300ms' });
    const refused = await runOne(library, nest, engine);
    assert.deepEqual(refused, { status: 'dropped', ran: [] });
  }
  return 'a task ran from a journal; without their servers, BullMQ on Redis and on PostgreSQL dropped one in time';
};

async function runOne(library, nest, engine) {
  const ran = [];
  class Greeter {
    async greet(name) {
      ran.push(name);
    }
  }
  const method = Object.getOwnPropertyDescriptor(Greeter.prototype, 'greet');
  library.Background()(Greeter.prototype, 'greet', method);
  Object.defineProperty(Greeter.prototype, 'greet', method);
  class AppModule {}
  nest.Module({
    imports: [library.BackgroundTasksModule.forRoot({ engine })],
    providers: [Greeter],
  })(AppModule);
  const app = await nest.NestFactory.createApplicationContext(AppModule, { logger: false });
  try {
    const task = app.get(library.TaskRunner).addTask(app.get(Greeter).greet, 'Ada');
    const { status } = await task.whenSettled();
    return { status, ran };
  } finally {
    await app.close();
  }
}
