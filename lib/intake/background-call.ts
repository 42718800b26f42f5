import { Logger } from '@nestjs/common';
import { relationOf, type BackgroundMethod } from '../task/background-method.js';
import { isCalledByCopy } from '../task/copied-body.js';
import { applicationOf, whenExpected } from './live-applications.js';

/** Makes a call of a `@Background()` method a task of its application, or runs it if there is none. */
export function callBackground(
  background: BackgroundMethod,
  self: unknown,
  args: readonly unknown[],
): unknown {
  const { method } = background;
  const runHere = (): unknown => Reflect.apply(method, self, args);
  const relation = relationOf(method, self);
  if (relation === 'overridden' || isCalledByCopy(method)) {
    return runHere(); // called by `super` from an override, or as the task's body
  }
  // Passed as a function (`ids.map(mailer.send)`), the method has lost its object, or got another
  // one.
  const target = relation === 'own' ? (self as object) : undefined;
  const call = (): unknown => {
    const accepted = applicationOf(background, target)?.call(background, target, args);
    if (accepted === undefined) {
      tellOnce(background);
    }
    return accepted ?? runHere();
  };
  return whenExpected(target, call) ?? call();
}

const told = new Set<string>();

/** Unit tests call methods directly on purpose. */
function isTest(): boolean {
  const { env } = process;
  const runners = ['JEST_WORKER_ID', 'VITEST', 'NODE_TEST_CONTEXT'];
  return env['NODE_ENV'] === 'test' || runners.some((name) => name in env);
}

function tellOnce({ member }: BackgroundMethod): void {
  if (!isTest() && !told.has(member)) {
    told.add(member);
    new Logger('BackgroundTasks').warn(
      `${member}() ran at once, in its caller: no application with BackgroundTasksModule is in this ` +
        'process. Is BackgroundTasksModule.forRoot() among the imports of the root module? ' +
        '(Logged once per method, and never in tests.)',
    );
  }
}
