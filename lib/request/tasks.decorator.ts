import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { NoRequestError } from '../errors/misuse.errors.js';
import { BackgroundTasks } from './background-tasks.js';
import { otherCopyInUse, twoCopies } from '../intake/live-applications.js';
import { THIS_COPY } from '../task/background-method.js';
import { lifeOf } from './life-of-request.js';

/**
 * Parameter decorator: the {@link BackgroundTasks} of the request that the handler answers. The
 * controller stays a singleton, which is several times faster than injecting the collection.
 *
 * @throws NoRequestError where `BackgroundTasksModule` is not imported
 */
export const Tasks: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext): BackgroundTasks => {
    const life = lifeOf(context.switchToHttp().getRequest<unknown>());
    if (life === undefined) {
      const copy = otherCopyInUse();
      const hint =
        copy === undefined
          ? 'Is BackgroundTasksModule.forRoot() among the imports of the root module?'
          : `The reason: ${twoCopies(THIS_COPY, copy)}`;
      throw new NoRequestError(`@Tasks() found no collection for this request. ${hint}`);
    }
    return new BackgroundTasks(life.intake, life, requestOf(context));
  },
);

/** The object for which Nest makes request-scoped providers. That of a message is out of reach here. */
function requestOf(context: ExecutionContext): unknown {
  switch (context.getType<string>()) {
    case 'http':
      return context.getArgByIndex<unknown>(0);
    case 'graphql':
      return context.getArgByIndex<unknown>(2);
    default:
      return undefined;
  }
}
