/** Copies what decorators have left on `method` to the function that replaces it. */
export function takeOver(method: object, replacement: object): void {
  for (const property of Reflect.ownKeys(method)) {
    const descriptor = Object.getOwnPropertyDescriptor(method, property);
    if (descriptor !== undefined && property !== 'prototype') {
      Object.defineProperty(replacement, property, descriptor);
    }
  }
  for (const key of Reflect.getOwnMetadataKeys(method)) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, method), replacement);
  }
}
