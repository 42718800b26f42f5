import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';

/** By the name that a test was given. */
export function createAdapter(platform: string): AbstractHttpAdapter {
  switch (platform) {
    case 'Express':
      return new ExpressAdapter();
    case 'Fastify':
      return new FastifyAdapter();
    default:
      throw new Error(`No platform is called "${platform}".`);
  }
}
