import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import sharp, { type Create } from 'sharp';
import { onEachPlatform } from '../support/platforms.js';
import type { RunningApp } from '../support/running-app.js';
import { getJson, upload } from './requests.js';
import { startSample } from './start-sample.js';
import { useWorkingDirectory } from './working-directory.js';

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

describe('sample: images', () => {
  useWorkingDirectory();
  beforeAll(() => {
    // The directory that the sample works in has no packages.
    const register = join(ROOT, 'node_modules/@oxc-node/core/register.mjs');
    process.env['THREAD_LOADER'] = pathToFileURL(register).href;
  });

  afterAll(() => {
    delete process.env['THREAD_LOADER'];
  });

  onEachPlatform((platform) => {
    let app: RunningApp;

    beforeEach(async () => {
      app = await startSample(platform);
    });

    const statusOf = async (body: unknown): Promise<ImageStatus> =>
      getJson(app, (body as { status: string }).status);

    it('answers with the id of a task, and makes a thumbnail and a sepia picture in threads', async () => {
      const { status, body } = await upload(app, '/images', new Uint8Array(await photo()));
      expect(status).toBe(202);
      expect(body).toEqual({ id: expect.any(String), status: expect.any(String) });
      await app.untilSettled(1);
      const image = await statusOf(body);
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
      const reported = app.history.filter(({ type }) => type === 'progress');
      expect(reported).toHaveLength(3);
    });

    it('fails the task of a broken image, and says why', async () => {
      const whole = new Uint8Array(await photo());
      const { status, body } = await upload(app, '/images', whole.subarray(0, whole.length / 2));
      expect(status).toBe(202);
      await app.untilSettled(1);
      expect(await statusOf(body)).toMatchObject({
        status: 'failed',
        reason: 'The image is broken, or has too many pixels.',
      });
      expect(await readdir('var/uploads')).toEqual([]);
    });

    it('O23: tells nobody where its files are, and holds up no other queue', async () => {
      const { body } = await upload(app, '/images', new Uint8Array(await photo()));
      await app.untilSettled(1);
      const { id } = body as { id: string };
      expect(JSON.stringify(await statusOf(body))).not.toContain(process.cwd());
      expect((await app.request(`/images/${id}/thumbnail`)).status).toBe(200);
      expect((await app.request(`/images/${id}/..%2f${id}-sepia`)).status).toBe(400);
      expect(app.history.map(({ queue }) => queue)).not.toContain('default');
      const { queues } = await app.runner.stats();
      expect(queues).toHaveProperty('images');
    });

    it('O23: takes no image that unfolds into more than 24 megapixels', async () => {
      const create = { width: 7_000, height: 7_000, channels: 3 as const, background: 'white' };
      const { body } = await upload(app, '/images', await png(create));
      await app.untilSettled(1);
      expect(await statusOf(body)).toMatchObject({ status: 'failed', percent: 0 });
    });
  });
});
