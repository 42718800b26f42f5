import { crc32 } from 'node:zlib';

/**
 * What a file of the journal looks like: a header, then frames. Each begins on a page of its own, so
 * that writing the next never touches a page that holds what was acknowledged before.
 */
export const PAGE_BYTES = 4_096;

/** What this version of the library reads and writes. */
export const FORMAT = 2;

const MAGIC = Buffer.from('nestjs-background-tasks journal\n');
const AT = { format: 32, number: 36, bytes: 44, salt: 52, checksum: 56 } as const;
const HEADER_BYTES = 60;

const FRAME_MAGIC = 0x5aa7f3a1;
const FRAME_AT = { magic: 0, bytes: 4, checksum: 8 } as const;
const FRAME_HEADER_BYTES = 12;

/** What a file says about itself. */
export interface SegmentHeader {
  /** They are written in this order. */
  readonly number: number;
  /** The whole file: all of it is there before the first frame is. */
  readonly bytes: number;
  /** Frames of another salt are what a file held before it was used again. */
  readonly salt: number;
}

export function encodeHeader({ number, bytes, salt }: SegmentHeader): Buffer {
  const page = Buffer.alloc(PAGE_BYTES);
  MAGIC.copy(page);
  page.writeUInt32LE(FORMAT, AT.format);
  page.writeDoubleLE(number, AT.number);
  page.writeDoubleLE(bytes, AT.bytes);
  page.writeUInt32LE(salt, AT.salt);
  page.writeUInt32LE(crc32(page.subarray(0, AT.checksum)), AT.checksum);
  return page;
}

/** @returns the format that a file is written in; `undefined` where it is no file of a journal */
export function formatOf(file: Buffer): number | undefined {
  return file.length >= HEADER_BYTES && file.subarray(0, MAGIC.length).equals(MAGIC)
    ? file.readUInt32LE(AT.format)
    : undefined;
}

/** @throws Error what is wrong with it */
export function decodeHeader(file: Buffer): SegmentHeader {
  if (crc32(file.subarray(0, AT.checksum)) !== file.readUInt32LE(AT.checksum)) {
    throw new Error('its header was changed');
  }
  const header = {
    number: file.readDoubleLE(AT.number),
    bytes: file.readDoubleLE(AT.bytes),
    salt: file.readUInt32LE(AT.salt),
  };
  if (file.length < header.bytes) {
    throw new Error(`it has lost its end: ${file.length} of ${header.bytes} bytes are there`);
  }
  return header;
}

/** How much of a file a frame of so many bytes takes. */
export function frameBytes(payloadBytes: number): number {
  return Math.ceil((FRAME_HEADER_BYTES + payloadBytes) / PAGE_BYTES) * PAGE_BYTES;
}

export function encodeFrame(payload: string, payloadBytes: number, salt: number): Buffer {
  const end = FRAME_HEADER_BYTES + payloadBytes;
  const frame = Buffer.allocUnsafe(frameBytes(payloadBytes));
  frame.write(payload, FRAME_HEADER_BYTES);
  frame.fill(0, end);
  frame.writeUInt32LE(FRAME_MAGIC, FRAME_AT.magic);
  frame.writeUInt32LE(payloadBytes, FRAME_AT.bytes);
  const checksum = checksumOf(frame, FRAME_HEADER_BYTES, end, salt);
  frame.writeUInt32LE(checksum, FRAME_AT.checksum);
  return frame;
}

/**
 * The payloads of a file's frames. Each was written when the one before it was on disk, so the first
 * that is incomplete was being written when the process or the machine went down: nobody relies on it,
 * and none can follow. One that follows tells of damage.
 *
 * @throws Error what is wrong with it
 */
export function decodeFrames(file: Buffer, { salt }: SegmentHeader): string[] {
  const payloads: string[] = [];
  let position = PAGE_BYTES;
  let payload = payloadAt(file, position, salt);
  while (payload !== undefined) {
    payloads.push(payload.toString());
    position += frameBytes(payload.length);
    payload = payloadAt(file, position, salt);
  }
  for (let later = position + PAGE_BYTES; later < file.length; later += PAGE_BYTES) {
    if (payloadAt(file, later, salt) !== undefined) {
      throw new Error(`what stood at byte ${position} was overwritten`);
    }
  }
  return payloads;
}

function payloadAt(file: Buffer, position: number, salt: number): Buffer | undefined {
  const start = position + FRAME_HEADER_BYTES;
  if (start > file.length || file.readUInt32LE(position + FRAME_AT.magic) !== FRAME_MAGIC) {
    return undefined;
  }
  const end = start + file.readUInt32LE(position + FRAME_AT.bytes);
  if (end > file.length) {
    return undefined;
  }
  const frame = file.subarray(position, end);
  const checksum = checksumOf(frame, FRAME_HEADER_BYTES, frame.length, salt);
  return checksum === frame.readUInt32LE(FRAME_AT.checksum)
    ? frame.subarray(FRAME_HEADER_BYTES)
    : undefined;
}

/** Of the length and the payload. */
function checksumOf(frame: Buffer, start: number, end: number, salt: number): number {
  const length = frame.subarray(FRAME_AT.bytes, FRAME_AT.checksum);
  return crc32(frame.subarray(start, end), crc32(length, salt));
}
