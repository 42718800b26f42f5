/**
 * Adds `rest` to `data` as non-enumerable properties: code that walks through objects reads, and
 * calls, what it can enumerate.
 */
export function withHidden<Data extends object, Rest extends object>(
  data: Data,
  rest: Rest,
): Data & Rest {
  const descriptors = Object.getOwnPropertyDescriptors(rest);
  for (const descriptor of Object.values<PropertyDescriptor>(descriptors)) {
    descriptor.enumerable = false;
  }
  return Object.defineProperties(data, descriptors) as Data & Rest;
}
