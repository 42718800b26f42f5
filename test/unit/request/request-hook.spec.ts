import { describe, expect, it, jest } from '@jest/globals';
import type { HttpServer } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { RequestHook } from '../../../lib/request/nest/request-hook.js';
import { createKit } from '../support/kit.js';

const createHook = (): RequestHook => new RequestHook(createKit().requests);

describe('the hook for requests', () => {
  it('is installed once on each adapter', () => {
    const hook = createHook();
    const [express, fastify] = [new ExpressAdapter(), new FastifyAdapter()];
    const use = jest.spyOn(express, 'use');
    const addHook = jest.spyOn(fastify.getInstance(), 'addHook');
    for (const adapter of [express, express, fastify, fastify]) {
      hook.install(adapter);
    }
    expect([use.mock.calls.length, addHook.mock.calls.length]).toEqual([1, 1]);
  });

  it('does nothing without a server', () => {
    const hook = createHook();
    for (const adapter of [undefined, null, {}, { getType: () => '' }]) {
      expect(() => hook.install(adapter as HttpServer | undefined | null)).not.toThrow();
    }
  });

  it('R14: leaves a patch of others around Fastify’s use()', async () => {
    const adapter = new FastifyAdapter();
    await adapter.init(); // from here on it can register middleware
    createHook().install(adapter);
    const fastify = adapter.getInstance() as { use(...args: unknown[]): unknown };
    const use = fastify.use.bind(fastify);
    const patched = jest.fn(use);
    fastify.use = patched;
    fastify.use(() => undefined);
    fastify.use(() => undefined);
    expect(patched).toHaveBeenCalledTimes(2);
    expect(fastify.use).toBe(patched);
  });
});
