/** In the global registry, because a thread loads its own copy of this file. */
const TRANSFER = Symbol.for('nestjs-background-tasks:transfer');

/**
 * Marks a buffer, an argument or the result of a thread function, to be handed over instead of
 * copied. The sender's buffer is empty afterwards. A second attempt of the task would fail with it,
 * so transfer a buffer that the task's body has loaded, not an argument of the task.
 *
 * A view of a part of a larger buffer is copied, because the rest would go with it. Small Node
 * buffers are such views.
 *
 * @typeParam T the kind of buffer
 * @param value the buffer or view
 * @returns the same `value`
 */
export function transfer<T extends ArrayBuffer | ArrayBufferView>(value: T): T {
  Object.defineProperty(value, TRANSFER, { value: true });
  return value;
}

/** The buffers to hand over. */
export function transferListOf(values: readonly unknown[]): ArrayBuffer[] {
  return values.filter(isMarked).flatMap(toBuffer);
}

function isMarked(value: unknown): value is ArrayBuffer | ArrayBufferView {
  return typeof value === 'object' && value !== null && TRANSFER in value;
}

function toBuffer(value: ArrayBuffer | ArrayBufferView): ArrayBuffer[] {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  // An empty buffer may have been handed over before. Node 20 would send it and never deliver it;
  // copying it fails instead.
  const isWhole = value.byteLength > 0 && value.byteLength === buffer.byteLength;
  return isWhole && !isShared(buffer) ? [buffer as ArrayBuffer] : [];
}

function isShared(buffer: ArrayBufferLike): boolean {
  return Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]';
}
