import { describe, expect, it } from '@jest/globals';
import type { HttpServer } from '@nestjs/common';
import { attachedLife } from '../../../lib/request/life-of-request.js';
import { RequestHook } from '../../../lib/request/nest/request-hook.js';
import { ambient } from '../../../lib/task/ambient.js';
import { FakeResponse } from '../support/fake-response.js';
import { createKit } from '../support/kit.js';

type Hook = (request: object, response: object, next: () => void) => void;

/** What a framework does with requests: its hooks in order, each in the context of the one before. */
function comesBy(hooks: readonly Hook[], request: object, response: object, end: () => void): void {
  const [first, ...rest] = hooks;
  if (first === undefined) {
    end();
  } else {
    first(request, response, () => comesBy(rest, request, response, end));
  }
}

class FakeExpress {
  readonly middleware: Hook[] = [];
  readonly getType = () => 'express';

  use(hook: Hook): void {
    this.middleware.push(hook);
  }
}

class FakeFastifyInstance {
  readonly hooks = { onRequest: [] as Hook[] };
  readonly middleware: unknown[][] = [];
  /** There once the plugin for middleware is registered. */
  use?: (...args: unknown[]) => unknown;

  addHook(name: 'onRequest', hook: Hook): void {
    this.hooks[name].push(hook);
  }

  acceptMiddleware(): void {
    this.use = (...args) => this.middleware.push(args);
  }
}

class FakeFastify {
  readonly instance = new FakeFastifyInstance();
  readonly middleware: unknown[][] = [];
  readonly getType = () => 'fastify';
  readonly getInstance = () => this.instance;

  use(...args: unknown[]): unknown {
    return this.middleware.push(args);
  }
}

const asServer = (adapter: object) => adapter as HttpServer;

function createHook() {
  const kit = createKit();
  return { ...kit, hook: new RequestHook(kit.requests) };
}

describe('a request', () => {
  it('has a collection from the first middleware on, with its response', () => {
    const { hook, intake } = createHook();
    const adapter = new FakeExpress();
    hook.install(asServer(adapter));
    const [request, response] = [{}, new FakeResponse()];
    let store: unknown;
    comesBy(adapter.middleware, request, response, () => {
      store = ambient.getStore();
    });
    const life = attachedLife(request);
    expect([life, life?.of(intake)]).toEqual([store, store]);
    expect(store).toBeDefined();
    expect(Reflect.ownKeys(request)).toEqual([]);
  });

  it('has one of each application that it comes by, and one only of each', () => {
    const request = {};
    const applications = [createHook(), createHook()];
    for (const { hook } of applications) {
      const adapter = new FakeExpress();
      hook.install(asServer(adapter));
      comesBy(adapter.middleware, request, new FakeResponse(), () => undefined);
      const first = attachedLife(request);
      comesBy(adapter.middleware, request, new FakeResponse(), () => undefined);
      expect(attachedLife(request)).toBe(first);
    }
    const lives = applications.map(({ intake }) => attachedLife(request)?.of(intake));
    expect(lives.map((life, index) => life?.intake === applications[index]?.intake)).toEqual([
      true,
      true,
    ]);
  });

  it('comes by one hook, however often that is installed', () => {
    const { hook } = createHook();
    const [express, fastify] = [new FakeExpress(), new FakeFastify()];
    for (const adapter of [express, express, fastify, fastify]) {
      hook.install(asServer(adapter));
    }
    expect(express.middleware).toHaveLength(1);
    expect(fastify.instance.hooks.onRequest).toHaveLength(1);
  });

  it('is none where there is no server', () => {
    const { hook } = createHook();
    const none = new FakeExpress();
    for (const adapter of [undefined, null, {}, Object.assign(none, { getType: () => '' })]) {
      hook.install(adapter as HttpServer | undefined | null);
    }
    expect(none.middleware).toEqual([]);
  });
});

describe('a request of Fastify', () => {
  it('has a collection from the first hook on, with its reply', () => {
    const { hook } = createHook();
    const adapter = new FakeFastify();
    hook.install(asServer(adapter));
    const [request, reply] = [{ raw: {} }, { raw: new FakeResponse() }];
    let store: unknown;
    comesBy(adapter.instance.hooks.onRequest, request, reply, () => {
      store = ambient.getStore();
    });
    expect(store).toBe(attachedLife(request.raw));
  });

  it('has its collection before the first middleware of the application or of Fastify', () => {
    for (const place of ['application', 'instance'] as const) {
      const { hook } = createHook();
      const adapter = new FakeFastify();
      adapter.instance.acceptMiddleware();
      hook.install(asServer(adapter));
      const registry = place === 'application' ? adapter : adapter.instance;
      const [own, other] = [() => undefined, () => undefined];
      registry.use?.('/path', own);
      registry.use?.(other);
      expect(registry.middleware).toEqual([[expect.any(Function)], ['/path', own], [other]]);
      const request = {};
      comesBy([registry.middleware[0]?.[0] as Hook], request, new FakeResponse(), () => undefined);
      expect(attachedLife(request)).toBeDefined();
    }
  });

  it('comes by one middleware of ours, wherever others are registered', () => {
    const { hook } = createHook();
    const adapter = new FakeFastify();
    hook.install(asServer(adapter));
    adapter.instance.acceptMiddleware();
    hook.install(asServer(adapter));
    adapter.instance.use?.('first');
    adapter.use('second');
    expect(adapter.instance.middleware).toEqual([[expect.any(Function)], ['first']]);
    expect(adapter.middleware).toEqual([['second']]);
    hook.install(asServer(adapter));
    adapter.use('third');
    expect(adapter.middleware).toEqual([['second'], ['third']]);
  });

  it('finds no place for middleware where Fastify has none', () => {
    const { hook } = createHook();
    const adapter = new FakeFastify();
    hook.install(asServer(adapter));
    expect(adapter.instance.use).toBeUndefined();
  });

  it('comes by no middleware of ours where there is no other', () => {
    const { hook } = createHook();
    const adapter = new FakeFastify();
    adapter.instance.acceptMiddleware();
    hook.install(asServer(adapter));
    expect([adapter.middleware, adapter.instance.middleware]).toEqual([[], []]);
  });

  it('R14: keeps what somebody else has put around the registration of middleware', () => {
    const { hook } = createHook();
    const adapter = new FakeFastify();
    adapter.instance.acceptMiddleware();
    hook.install(asServer(adapter));
    const { instance } = adapter;
    const { use } = instance;
    const patched: unknown[][] = [];
    instance.use = (...args) => {
      patched.push(args);
      return use?.(...args);
    };
    instance.use('first');
    instance.use('second');
    expect(patched).toEqual([['first'], ['second']]);
    expect(instance.middleware).toEqual([[expect.any(Function)], ['first'], ['second']]);
  });
});
