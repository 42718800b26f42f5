import { threadFunction } from 'nestjs-background-tasks/threads';
import type { sepia, thumbnail } from './picture.js';

const PICTURE = new URL('./picture.js', import.meta.url);

export const thumbnailInThread = threadFunction<typeof thumbnail>(PICTURE, 'thumbnail');
export const sepiaInThread = threadFunction<typeof sepia>(PICTURE, 'sepia');
