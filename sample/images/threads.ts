import { availableParallelism } from 'node:os';
import { threadFunction } from 'nestjs-background-tasks/threads';
import type { sepia, thumbnail } from './picture.js';

/** How many calculate at once: the queue of these tasks is as wide, so that none waits for a thread. */
export const THREADS = Math.max(1, availableParallelism() - 1);

const PICTURE = new URL('./picture.js', import.meta.url);

export const thumbnailInThread = threadFunction<typeof thumbnail>(PICTURE, 'thumbnail');
export const sepiaInThread = threadFunction<typeof sepia>(PICTURE, 'sepia');
