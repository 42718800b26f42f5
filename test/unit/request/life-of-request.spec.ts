import { describe, expect, it } from '@jest/globals';
import { BackgroundTasks } from '../../../lib/index.js';
import { lifeOf } from '../../../lib/request/life-of-request.js';
import { ambient } from '../../../lib/task/ambient.js';
import { FakeResponse } from '../support/fake-response.js';
import { createKit } from '../support/kit.js';

/** A request that two applications handle, with a root field of GraphQL in the first one, and another request. */
function createLives() {
  const [kit, otherKit] = [createKit(), createKit()];
  const [request, response] = [{}, new FakeResponse()];
  const first = kit.requests.open(request, response);
  expect(kit.requests.open({ raw: request }, { raw: response })).toBe(first); // as Fastify wraps both
  const second = otherKit.requests.open(request, response);
  const field = kit.requests.beginMessage(first);
  const stranger = kit.requests.open({}, new FakeResponse());
  return { ...kit, request, lives: { first, second, field, stranger } };
}

type Name = keyof ReturnType<typeof createLives>['lives'];

function inContextOf<T>(
  { lives }: ReturnType<typeof createLives>,
  name: Name | undefined,
  call: () => T,
): T {
  return name === undefined
    ? ambient.run(undefined as never, call)
    : ambient.run(lives[name], call);
}

const add = (tasks: BackgroundTasks): string => tasks.addTask(() => undefined).status;

describe('P7: the life of a request', () => {
  it.each<[Name | undefined, Name]>([
    [undefined, 'second'],
    ['first', 'first'],
    ['second', 'second'],
    ['field', 'field'],
    ['stranger', 'second'],
  ])(
    'is that of the context, unless this is of another request: in %s it is %s',
    (context, expected) => {
      const created = createLives();
      const { lives, request } = created;
      const found = inContextOf(created, context, () => lifeOf(request));
      expect(Object.entries(lives).find(([, life]) => life === found)?.[0]).toBe(expected);
      const unknown = inContextOf(created, context, () => lifeOf({}));
      expect(unknown).toBe(context && lives[context]);
    },
  );

  it.each<[Name | undefined, Name]>([
    [undefined, 'first'],
    ['first', 'first'],
    ['field', 'field'],
    ['stranger', 'first'],
  ])(
    'R3: takes the tasks of its collection, also behind a Proxy: in %s it is %s',
    (context, expected) => {
      const created = createLives();
      const { intake, lives } = created;
      const given = new BackgroundTasks(intake, lives.first, undefined, true);
      for (const tasks of [given, new Proxy(given, {})]) {
        inContextOf(created, context, () => add(tasks));
      }
      const counts = Object.entries(lives).map(([name, { collected }]) => [name, collected.length]);
      expect(counts.filter(([, count]) => count !== 0)).toEqual([[expected, 2]]);
    },
  );
});

describe('P5: a collection without the life of a request', () => {
  it('adds to the request around the call; outside of one it needs the request that it was made for', () => {
    const created = createLives();
    const { intake, lives } = created;
    const [bare, made] = [new BackgroundTasks(intake), new BackgroundTasks(intake, undefined, {})];
    expect(() => inContextOf(created, undefined, () => add(bare))).toThrow('BackgroundTasks');
    expect(inContextOf(created, undefined, () => add(made))).toBe('queued');
    expect(inContextOf(created, 'stranger', () => add(bare))).toBe('collected');
    expect(lives.stranger.collected).toHaveLength(1);
  });
});
