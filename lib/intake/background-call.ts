import { Logger } from '@nestjs/common';
import { relationOf, type BackgroundMethod } from '../task/background-method.js';
import { isCalledByCopy } from '../task/copied-body.js';
import { applicationOf, whenExpected } from './live-applications.js';

/** A call of a `@Background()` method: a task of an application, where there is one. */
export function callBackground(
  background: BackgroundMethod,
  self: unknown,
  args: readonly unknown[],
): unknown {
  const { method } = background;
  const runHere = (): unknown => Reflect.apply(method, self, args);
  const relation = relationOf(method, self);
  if (relation === 'overridden' || isCalledByCopy(method)) {
    return runHere(); // `super` in the body of what overrides it, or that body itself
  }
  // Passed on as a function (`ids.map(mailer.send)`), it has lost its object, or was given another.
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

/** A unit test calls its methods plainly, and wants to. */
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
        '(Said once for each method, and never in tests.)',
    );
  }
}
