import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { Background, UnrecoverableError, currentTask } from 'nestjs-background-tasks';
import { directory } from '../uploads/directory.js';
import type { Picture } from './picture.js';
import { sepiaInThread, thumbnailInThread } from './threads.js';

/** The result of the task of an image. */
export interface Pictures {
  readonly thumbnail: Picture;
  readonly sepia: Picture;
}

export type PictureKind = keyof Pictures;

const THUMBNAIL_WIDTH = 320;

@Injectable()
export class ImageTasks {
  /** @param source the path of the upload, which is gone afterwards */
  @Background({ name: 'images.process', queue: 'images', timeout: '30s' })
  async process(source: string): Promise<void> {
    const { id, progress, result } = currentTask();
    try {
      progress({ percent: 0 });
      const thumbnail = await thumbnailInThread(
        source,
        await pathOf(id, 'thumbnail'),
        THUMBNAIL_WIDTH,
      );
      progress({ percent: 50 });
      const sepia = await sepiaInThread(source, await pathOf(id, 'sepia'));
      progress({ percent: 100 });
      result({ thumbnail, sepia } satisfies Pictures);
    } catch (error) {
      throw isOfImage(error)
        ? new UnrecoverableError('The image is broken, or has too many pixels.', { cause: error })
        : error;
    } finally {
      await rm(source, { force: true });
    }
  }
}

/** The path of a finished picture. */
export async function pathOf(id: string, kind: PictureKind): Promise<string> {
  return join(await directory('var/images'), `${id}-${kind}.webp`);
}

/** sharp's errors for a file that it cannot read: a retry would not help. */
function isOfImage(error: unknown): boolean {
  return error instanceof Error && /^(Input|Vips)/.test(error.message);
}
