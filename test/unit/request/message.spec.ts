import { describe, expect, it, jest } from '@jest/globals';
import {
  concat,
  firstValueFrom,
  lastValueFrom,
  NEVER,
  of,
  throwError,
  type Observable,
} from 'rxjs';
import type { ExecutionContext } from '@nestjs/common';
import {
  BackgroundTasks,
  BackgroundTasksInterceptor,
  QueueFullError,
  type TaskHandle,
} from '../../../lib/index.js';
import { beginMessage, handled, handleMessage } from '../../../lib/request/message.js';
import type { MessageLife } from '../../../lib/request/message-life.js';
import { ambient } from '../../../lib/task/ambient.js';
import { createKit } from '../support/kit.js';

/** A message with a task for its success, and one for its failure. */
function createMessage(type = 'rpc') {
  const kit = createKit();
  const life = beginMessage(kit.requests, type);
  const tasks = new BackgroundTasks(kit.intake, life, true);
  const handles = (['success', 'failure'] as const).map((when) =>
    tasks.addTask({ when }, () => undefined),
  );
  const settled = async (): Promise<string[]> => {
    await kit.clock.settle();
    return handles.map(({ status }) => status);
  };
  return { ...kit, life, settled };
}

const SUCCESS = ['completed', 'dropped'];
const FAILURE = ['dropped', 'completed'];
const fail = (): never => {
  throw new Error('unpaid');
};

type Handle = (life: MessageLife, stream: Observable<unknown>) => Promise<unknown>;

const WAYS: readonly [string, Handle][] = [
  ['seen by an interceptor', (life, stream) => lastValueFrom(handled(life, stream))],
  [
    'answered with a stream',
    async (life, stream) =>
      lastValueFrom((await handleMessage(life, () => stream)) as Observable<unknown>),
  ],
  [
    'answered with a promise',
    (life, stream) => handleMessage(life, async () => lastValueFrom(stream)),
  ],
];

describe.each(WAYS)('P6: a message that is %s', (_, handle) => {
  it('passes on its values and its end, which decides', async () => {
    for (const isStored of [false, true]) {
      const { engine, life, settled } = createMessage();
      if (isStored) {
        jest.spyOn(engine, 'commit').mockResolvedValue();
      }
      expect(await handle(life, of('first', 'answer'))).toBe('answer');
      await life.end(false); // too late
      expect(await settled()).toEqual(SUCCESS);
    }
  });

  it('fails with the error of its handler, also if its tasks cannot be stored', async () => {
    for (const isStoreDown of [false, true]) {
      const { engine, life, settled } = createMessage();
      const down = new Error('down');
      if (isStoreDown) {
        jest.spyOn(engine, 'commit').mockRejectedValue(down);
      }
      await expect(handle(life, throwError(fail))).rejects.toThrow('unpaid');
      expect(await settled()).toEqual(isStoreDown ? ['dropped', 'dropped'] : FAILURE);
    }
  });

  it('P17: fails if its tasks cannot be stored', async () => {
    const { engine, life } = createMessage();
    jest.spyOn(engine, 'commit').mockRejectedValue(new Error('down'));
    await expect(handle(life, of('answer'))).rejects.toThrow('down');
  });
});

describe('P6: a message', () => {
  it('P12: is told of in the log where its handler fails because a queue is full', async () => {
    const { life, logger } = createMessage();
    const stream = throwError(() => new QueueFullError('mail', 1));
    await expect(lastValueFrom(handled(life, stream))).rejects.toThrow('mail');
    expect(logger.of('warn')).toContainEqual(
      expect.stringMatching(/^Refused a request: QueueFullError/),
    );
  });

  it('fails if its handler throws before there is a promise', async () => {
    const { life, settled } = createMessage();
    await expect(handleMessage(life, fail)).rejects.toThrow('unpaid');
    expect(await settled()).toEqual(FAILURE);
  });

  it.each([
    ['fails in a guard, whatever is answered then', of('answer'), true, FAILURE],
    ['fails in its handler, whatever is answered then', throwError(fail), false, FAILURE],
    ['is a success where nothing fails', of('answer'), false, SUCCESS],
  ])('%s', async (_, stream, isGuarded, expected) => {
    const { requests, life, settled } = createMessage();
    const context = { getType: () => 'ws' } as ExecutionContext;
    const interceptor = new BackgroundTasksInterceptor(requests);
    life.isInterceptorDue = isGuarded;
    await handleMessage(life, async () => {
      const next = isGuarded ? stream : interceptor.intercept(context, { handle: () => stream });
      return lastValueFrom(next).catch(() => 'excused');
    });
    expect(await settled()).toEqual(expected);
  });

  it('P2: runs the tasks of its exception filter behind those of its handler', async () => {
    const { requests, intake, clock } = createKit();
    const life = beginMessage(requests, 'rpc');
    const tasks = new BackgroundTasks(intake, life, true);
    const add = (body: () => unknown) => tasks.addTask({ when: 'failure' }, body);
    life.isInterceptorDue = true;
    const first = add(() => new Promise(() => undefined));
    const answer = handleMessage(life, () =>
      lastValueFrom(handled(life, throwError(fail))).catch(() => add(fail)),
    );
    const second = (await answer) as TaskHandle;
    await clock.settle();
    expect([first.status, second.status]).toEqual(['running', 'queued']);
  });

  it('P4: is a success where the client leaves in the middle of its answer', async () => {
    const { life, settled } = createMessage();
    expect(await firstValueFrom(handled(life, concat(of('first'), NEVER)))).toBe('first');
    expect(await settled()).toEqual(SUCCESS);
  });

  it.each([
    ['graphql', true],
    ['rpc', false],
    ['ws', false],
  ])('of type %s belongs to the request around it: %p', (type, belongs) => {
    const { requests } = createKit();
    const [request, other] = [requests.begin({}), requests.begin({})];
    const message = ambient.run(request, () => beginMessage(requests, type));
    const within = ambient.run(message, () => beginMessage(requests, type));
    for (const life of [message, within]) {
      expect(life.parent).toBe(belongs ? request : undefined);
      expect([life, request, other].map((each) => life.isWithin(each))).toEqual([
        true,
        belongs,
        false,
      ]);
    }
  });
});
