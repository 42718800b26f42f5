/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Background, type TaskOptions } from 'nestjs-background-tasks';
import { parse, stringify } from 'superjson';
import type { Application } from '../../conformance/support/application.js';
import {
  close,
  crashedWaiting,
  recordsIn,
  runThrough,
  start,
  temporaryFolder,
} from './support/machine.js';

class Money {
  constructor(readonly cents: number) {}
}

@Injectable()
class Sink {
  readonly received: unknown[][] = [];
  onTake: () => void = () => undefined;

  @Background()
  async take(...args: unknown[]): Promise<void> {
    this.onTake();
    this.received.push(args);
  }
}

describe('P18: arguments that cannot be stored', () => {
  let app: Application;
  let sink: Sink;

  beforeEach(async () => {
    app = await start(await temporaryFolder(), { providers: [Sink], maxArgsBytes: 100 });
    sink = app.get(Sink);
  });

  const adding =
    (...args: unknown[]) =>
    () =>
      app.runner.addTask(sink.take, ...args);

  const cycle: { self?: unknown } = {};
  cycle.self = cycle;

  it.each<[string, unknown[], string]>([
    ['a Date', [{ createdAt: new Date() }], 'args[0].createdAt is a Date'],
    ['a Map', [1, [{ b: new Map() }]], 'args[1][0].b is a Map'],
    ['a class instance', [{ price: new Money(5) }], 'args[0].price is a Money'],
    ['a function', [{ call: () => undefined }], 'args[0].call is a function'],
    ['NaN', [{ a: [1, Number.NaN] }], 'args[0].a[1] is NaN'],
    ['a bigint', [{ id: 1n }], 'args[0].id is a bigint'],
    ['a cycle', [cycle], 'args[0].self refers back to what contains it'],
    ['undefined in an array', [[undefined]], 'args[0][0] is undefined'],
    ['undefined before another argument', [undefined, 1], 'args[0] is undefined'],
    [
      'an array that JSON makes something else of',
      [Object.assign([1], { toJSON: () => 'x' })],
      'args[0] has a toJSON() of its own',
    ],
  ])('are refused when the task is added: %s', (_what, args, problem) => {
    const message = expect.stringContaining(`Task "Sink.take" cannot be stored: ${problem}.`);
    expect(adding(...args)).toThrow(
      expect.objectContaining({
        code: 'BGT_NOT_STORABLE',
        taskName: 'Sink.take',
        queue: 'default',
        message,
      }),
    );
  });

  it('O1: are refused where they are nested too deeply, at any depth', () => {
    for (const levels of [600, 50_000]) {
      const deep = JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;
      expect(adding(deep)).toThrow(
        /cannot be stored: args(\[0\]){500} lies deeper than 500 levels/,
      );
    }
  });

  it.each<[string, TaskOptions, string]>([
    ['a plain function', {}, 'it is a plain function'],
    ['a name of its own for one call', { name: 'other' }, 'its name was changed for this call'],
    ...[
      ['retry.retryIf', { retry: { attempts: 2, retryIf: () => true } }] as const,
      ['retry.backoff', { retry: { attempts: 2, backoff: () => 1 } }] as const,
      ['dedupe.key', { dedupe: { key: () => 'key' } }] as const,
      ['concurrencyKey', { concurrencyKey: () => 'key' }] as const,
    ].map(([name, options]): [string, TaskOptions, string] => [
      `a function as ${name} of the call`,
      options,
      `options.${name} is a function; functions belong on @Background().`,
    ]),
  ])('are refused: %s', (what, options, problem) => {
    const task = what === 'a plain function' ? () => undefined : sink.take;
    expect(() => app.runner.addTask(options, task)).toThrow(problem);
  });

  it('are refused: more bytes than maxArgsBytes', () => {
    // Two bytes each, and the quotes and brackets.
    expect(adding('ä'.repeat(48))).not.toThrow();
    expect(adding('ä'.repeat(49))).toThrow('its arguments take 102 bytes, and 100 are allowed');
  });

  it('do not include what JSON can hold', async () => {
    const shared = { a: 1 };
    const args = [null, 'ä\u2028\u0000', -1.5, true, [shared, shared], { b: undefined }, undefined];
    await app.runner.addTask(sink.take, ...args).whenSettled();
    expect(sink.received).toEqual([[null, 'ä\u2028\u0000', -1.5, true, [{ a: 1 }, { a: 1 }], {}]]);
    // A default parameter is not made null.
    expect(sink.received[0]).toHaveLength(6);
  });
});

describe('with a serializer', () => {
  const serializer = {
    serialize: (args: readonly unknown[]) => stringify(args),
    deserialize: (text: string) => parse<unknown[]>(text),
  };
  const args = [new Date(1), new Map([['a', new Set([1n])]]), undefined, 'last'];

  const setup = { providers: [Sink], serializer };

  it('a task gets arguments that JSON cannot hold, also after a crash', async () => {
    const image = await crashedWaiting((app) => app.get(Sink).take(...args), setup);
    const after = await runThrough(image, setup);
    await after.runner.addTask(after.get(Sink).take, ...args).whenSettled();
    expect(after.get(Sink).received).toEqual([args, args]);
  });

  it('a task whose arguments cannot be read is kept, and the log says so', async () => {
    const image = await crashedWaiting((app) => app.get(Sink).take('one'), setup);
    const after = await runThrough(image, {
      ...setup,
      serializer: {
        ...serializer,
        deserialize: () => {
          throw new Error('written by another version');
        },
      },
    });
    expect(after.log.of('error')).toEqual([expect.stringContaining('written by another version')]);
  });
});

describe('carry', () => {
  let tenant: string | undefined;

  afterEach(() => {
    tenant = undefined;
  });

  const carry = {
    capture: () => ({ tenant }),
    restore: <T>(carried: unknown, run: () => T): T => {
      ({ tenant } = carried as { tenant: string });
      return run();
    },
  };

  it('brings the context of a task into the next process', async () => {
    const setup = { providers: [Sink], options: { carry, drainTimeout: 50 } };
    const image = await crashedWaiting(async (app) => {
      tenant = 'acme';
      await app.get(Sink).take('one');
      tenant = undefined;
    }, setup);
    const after = await start(image, setup);
    const seen: unknown[] = [];
    after.get(Sink).onTake = () => seen.push(tenant);
    await after.runner.whenIdle();
    expect(seen).toEqual(['acme']);
  });

  it('R13, P7: restores the context in the process that added the task, and no other context', async () => {
    const store = new AsyncLocalStorage<string>();
    const app = await start(await temporaryFolder(), { providers: [Sink], options: { carry } });
    const seen: unknown[] = [];
    app.get(Sink).onTake = () => {
      seen.push([tenant, store.getStore()]);
      tenant = undefined;
      if (seen.length === 1) {
        throw new Error('once more');
      }
    };
    tenant = 'acme';
    const retry = { attempts: 2, delay: 0 };
    const added = store.run('a transaction', () =>
      app.runner.addTask({ retry }, app.get(Sink).take),
    );
    tenant = undefined;
    await store.run('whoever waits', () => added.whenSettled());
    expect(seen).toEqual([
      ['acme', undefined],
      ['acme', undefined],
    ]);
  });

  it('takes the context as it was when the task was added', async () => {
    const path = await temporaryFolder();
    const context: Record<string, unknown> = { tenant: 'acme' };
    const options = { carry: { ...carry, capture: () => context }, drainTimeout: 50 };
    const app = await start(path, { providers: [Sink], options });
    await app.runner.pause();
    const added = app.get(Sink).take('one');
    context['tenant'] = 'other';
    context['amount'] = 1n;
    await added;
    await close(app);
    expect(await recordsIn(path)).toMatchObject([{ carried: { tenant: 'acme' } }]);
  });

  it('refuses a context that cannot be stored', async () => {
    const options = { carry: { ...carry, capture: () => ({ at: new Date() }) }, drainTimeout: 50 };
    const app = await start(await temporaryFolder(), { providers: [Sink], options });
    expect(() => app.runner.addTask(app.get(Sink).take)).toThrow('carry.capture().at is a Date');
  });
});
