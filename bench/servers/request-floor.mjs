// The least that a task of a request can cost, for comparison: an async context per request and
// attempt, a collection, the wait for `finish` and one turn of the loop, the run, a count. It
// leaves out options, queues, figures by name, shutdown and everything else.
import { AsyncLocalStorage } from 'node:async_hooks';
import { createParamDecorator } from '@nestjs/common';

const ambient = new AsyncLocalStorage();
const KEY = Symbol('collection');
let closed = [];
export const counted = { completed: 0, failed: 0 };

class Collection {
  constructor(response) {
    this.response = response;
    this.tasks = undefined;
  }
  addTask(fn, ...args) {
    const task = { fn, args, name: fn.name, addedAt: Date.now(), status: 'collected', attempts: 0 };
    if (this.tasks === undefined) {
      this.tasks = [task];
      (this.response.raw ?? this.response).on('finish', () => close(this));
    } else {
      this.tasks.push(task);
    }
    return task;
  }
}

function close(collection) {
  if (closed.push(collection) === 1) setImmediate(release);
}
function release() {
  const collections = closed;
  closed = [];
  for (const { tasks } of collections) for (const task of tasks) attempt(task);
}
const call = (task) => task.fn(...task.args);
function attempt(task) {
  task.status = 'running';
  task.attempts += 1;
  try {
    const result = ambient.run(task, call, task);
    if (typeof result?.then === 'function')
      result.then(
        () => counted.completed++,
        () => counted.failed++,
      );
    else counted.completed += 1;
  } catch {
    counted.failed += 1;
  }
}

function open(request, response, next) {
  const collection = new Collection(response);
  (request.raw ?? request)[KEY] = collection;
  ambient.run(collection, next);
}

/** Call it before app.listen(). */
export function install(app) {
  const server = app.getHttpAdapter().getInstance();
  if (server.addHook) server.addHook('onRequest', open);
  else app.use(open);
}

export const FloorTasks = createParamDecorator((_, context) => {
  const request = context.switchToHttp().getRequest();
  return (request.raw ?? request)[KEY];
});
