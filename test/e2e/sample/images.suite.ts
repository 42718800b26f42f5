import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { onEachPlatform } from '../support/platforms.js';
import type { RunningApp } from '../support/running-app.js';
import { getJson, upload } from './requests.js';
import { startSample } from './start-sample.js';
import { useWorkingDirectory } from './working-directory.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface ImageStatus {
  readonly status: string;
  readonly percent: number;
  readonly thumbnail?: { readonly file: string };
  readonly sepia?: { readonly file: string };
  readonly reason?: string;
}

async function photo(): Promise<Uint8Array<ArrayBuffer>> {
  const background = { r: 30, g: 120, b: 200 };
  const image = sharp({ create: { width: 800, height: 500, channels: 3, background } });
  return new Uint8Array(await image.jpeg().toBuffer());
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
      const { dominant } = await sharp(image.sepia?.file).stats();
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
        reason: expect.stringContaining('premature end'),
      });
      expect(await readdir('var/uploads')).toEqual([]);
    });

    it('refuses at once what is no image, whatever it is called', async () => {
      expect((await upload(app, '/images', 'only text')).status).toBe(415);
      expect((await upload(app, '/images', '%PDF-1.7 and more')).status).toBe(415);
      expect(await readdir('var/uploads')).toEqual([]);
      expect(app.history).toEqual([]);
    });

    it('refuses more than 10 MB, a form without a file, and what is no form', async () => {
      expect((await upload(app, '/images', Buffer.alloc(11 * 1024 * 1024))).status).toBe(413);
      expect((await upload(app, '/images', 'text', 'another')).status).toBe(400);
      const json = await app.request('/images', { method: 'POST', body: {} });
      expect(json.status).toBe(415);
      expect(await readdir('var/uploads')).toEqual([]);
    });

    it('knows nothing of other ids', async () => {
      expect((await app.request('/images/nothing')).status).toBe(404);
    });
  });
});
