import type { AbstractHttpAdapter } from '@nestjs/core';

/** Of the platform with this name. A process loads only that one, which saves it time. */
export async function createAdapter(platform: string): Promise<AbstractHttpAdapter> {
  switch (platform) {
    case 'Express':
      return new (await import('@nestjs/platform-express')).ExpressAdapter();
    case 'Fastify':
      return new (await import('@nestjs/platform-fastify')).FastifyAdapter();
    default:
      throw new Error(`No platform is called "${platform}".`);
  }
}
