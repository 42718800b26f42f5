import type { ServerResponse } from 'node:http';
import { describe } from '@jest/globals';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';

interface ExpressResponse extends ServerResponse {
  json(body: unknown): void;
}

interface FastifyReply {
  readonly raw: ServerResponse;
  send(body: unknown): void;
  hijack(): void;
}

/** What differs between the two HTTP platforms, as far as a test has to know. */
export interface Platform {
  readonly name: string;
  readonly createAdapter: () => AbstractHttpAdapter;
  /** Answers as a handler with `@Res()` does. */
  readonly answer: (response: unknown, body: object) => void;
  /** Node's own response, the framework told to leave it alone. */
  readonly takeOver: (response: unknown) => ServerResponse;
}

export const EXPRESS: Platform = {
  name: 'Express',
  createAdapter: () => new ExpressAdapter(),
  answer: (response, body) => (response as ExpressResponse).json(body),
  takeOver: (response) => response as ServerResponse,
};

export const FASTIFY: Platform = {
  name: 'Fastify',
  createAdapter: () => new FastifyAdapter(),
  answer: (response, body) => (response as FastifyReply).send(body),
  takeOver: (response) => {
    const reply = response as FastifyReply;
    reply.hijack();
    return reply.raw;
  },
};

/** The same assertions for both. */
export function onEachPlatform(define: (platform: Platform) => void): void {
  describe.each([EXPRESS, FASTIFY])('on $name', (platform) => {
    define(platform);
  });
}
