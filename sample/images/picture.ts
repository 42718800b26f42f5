// Runs in a thread: see `threads.ts`. Its dependencies are loaded only there.
import sharp, { type OutputInfo } from 'sharp';

/** A picture on disk. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
}

/** A small file can unfold into gigabytes. */
const MAX_PIXELS = 24_000_000;

// By default sharp takes a thread of the process for each core, and file reads have to wait.
sharp.concurrency(1);

/** @param width of the thumbnail, in pixels; the height follows */
export async function thumbnail(source: string, target: string, width: number): Promise<Picture> {
  const info = await sharp(source, { limitInputPixels: MAX_PIXELS })
    .rotate()
    .resize({ width, withoutEnlargement: true })
    .webp()
    .toFile(target);
  return pictureOf(info);
}

/** Brown, as if it were old, with soft edges gone. */
export async function sepia(source: string, target: string): Promise<Picture> {
  const info = await sharp(source, { limitInputPixels: MAX_PIXELS })
    .rotate()
    .removeAlpha()
    .toColourspace('srgb')
    .recomb([
      [0.393, 0.769, 0.189],
      [0.349, 0.686, 0.168],
      [0.272, 0.534, 0.131],
    ])
    .sharpen()
    .webp()
    .toFile(target);
  return pictureOf(info);
}

function pictureOf({ width, height, size }: OutputInfo): Picture {
  return { width, height, bytes: size };
}
