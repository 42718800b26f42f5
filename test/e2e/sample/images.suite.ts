import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import sharp, { type Create } from 'sharp';
import { EXPRESS, onEachPlatform } from '../support/platforms.js';
import { useSample, type Sample } from './sample-app.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface ImageStatus {
  readonly status: string;
  readonly percent: number;
  readonly thumbnail?: { readonly url: string };
  readonly sepia?: { readonly url: string };
  readonly reason?: string;
}

async function photo(): Promise<Uint8Array<ArrayBuffer>> {
  const background = { r: 30, g: 120, b: 200 };
  const image = sharp({ create: { width: 800, height: 500, channels: 3, background } });
  return new Uint8Array(await image.jpeg().toBuffer());
}

async function png(create: Create): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await sharp({ create, limitInputPixels: false }).png().toBuffer());
}

async function statusOf(sample: Sample, body: unknown): Promise<ImageStatus> {
  return sample.getJson((body as { status: string }).status);
}

describe('sample: images', () => {
  beforeAll(() => {
    // The directory that the sample works in has no packages.
    const register = join(ROOT, 'node_modules/@oxc-node/core/register.mjs');
    process.env['THREAD_LOADER'] = pathToFileURL(register).href;
  });
  afterAll(() => {
    delete process.env['THREAD_LOADER'];
  });

  onEachPlatform((platform) => {
    const sample = useSample(platform);

    it('O23: answers with an id, makes pictures in threads, and tells nobody where its files are', async () => {
      const { app } = sample();
      const { status, body } = await sample().upload('/images', await photo());
      expect(status).toBe(202);
      expect(body).toEqual({ id: expect.any(String), status: expect.any(String) });
      await app.untilSettled(1);
      const image = await statusOf(sample(), body);
      expect(image).toMatchObject({
        status: 'completed',
        percent: 100,
        thumbnail: { width: 320, height: 200 },
        sepia: { width: 800, height: 500 },
      });
      const reply = await fetch(`http://127.0.0.1:${app.port}${image.sepia?.url}`);
      expect(reply.headers.get('content-type')).toBe('image/webp');
      const { dominant } = await sharp(await reply.arrayBuffer()).stats();
      expect(dominant.r).toBeGreaterThan(dominant.b);
      expect(await readdir('var/uploads')).toEqual([]);
      expect(app.names('progress')).toHaveLength(3);

      const { id } = body as { id: string };
      expect(JSON.stringify(image)).not.toContain(process.cwd());
      expect((await app.request(`/images/${id}/thumbnail`)).status).toBe(200);
      expect((await app.request(`/images/${id}/..%2f${id}-sepia`)).status).toBe(400);
      // It holds up no other queue.
      expect(new Set(app.events.map(({ queue }) => queue))).toEqual(new Set(['images']));
    });
  });

  describe('that are none, or too many', () => {
    const sample = useSample(EXPRESS);

    it.each([
      ['broken', 'The image is broken, or has too many pixels.'],
      ['of more than 24 megapixels', expect.any(String)],
    ])('O23: an image that is %s fails its task, which says why', async (what, reason) => {
      const whole = await photo();
      const create = { width: 5_000, height: 5_000, channels: 3 as const, background: 'white' };
      const file = what === 'broken' ? whole.subarray(0, whole.length / 2) : await png(create);
      const { status, body } = await sample().upload('/images', file);
      expect(status).toBe(202);
      await sample().app.untilSettled(1);
      const image = await statusOf(sample(), body);
      expect(image).toMatchObject({ status: 'failed', reason });
      expect(await readdir('var/uploads')).toEqual([]);
    });
  });
});
