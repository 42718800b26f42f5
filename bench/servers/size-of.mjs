/** How much has arrived. */
export function sizeOf(buffer) {
  return buffer.byteLength;
}
