import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { Background, currentTask } from 'nestjs-background-tasks';
import { directory } from '../uploads/directory.js';
import type { Picture } from './picture.js';
import { sepiaInThread, thumbnailInThread } from './threads.js';

/** How far an image is, and what there is of it. Remembered with the task. */
export interface ImageProgress {
  readonly percent: number;
  readonly thumbnail?: Picture;
  readonly sepia?: Picture;
}

const THUMBNAIL_WIDTH = 320;

@Injectable()
export class ImageTasks {
  /** @param source the path of the upload, which is gone afterwards */
  @Background({ name: 'images.process', timeout: '30s' })
  async process(source: string): Promise<void> {
    const { id, progress } = currentTask();
    const report: (progress: ImageProgress) => void = progress;
    try {
      const target = await directory('var/images');
      report({ percent: 0 });
      const thumbnail = await thumbnailInThread(
        source,
        join(target, `${id}-thumbnail.webp`),
        THUMBNAIL_WIDTH,
      );
      report({ percent: 50, thumbnail });
      const sepia = await sepiaInThread(source, join(target, `${id}-sepia.webp`));
      report({ percent: 100, thumbnail, sepia });
    } finally {
      await rm(source, { force: true });
    }
  }
}
