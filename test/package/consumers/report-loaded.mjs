// Hooks of the module loader that report the size of each file as it is loaded (see import-weight.mjs).
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

let port;

export function initialize(data) {
  port = data;
}

export function load(url, context, nextLoad) {
  if (url.startsWith('file:')) port.postMessage(statSync(fileURLToPath(url)).size);
  return nextLoad(url, context);
}
