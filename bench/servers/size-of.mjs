/** The size of the buffer that has arrived. */
export function sizeOf(buffer) {
  return buffer.byteLength;
}
