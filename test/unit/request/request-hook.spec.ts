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
