/**
 * `data` for all to see, and `rest` for those who ask for it by name: what walks through objects calls
 * what it finds.
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
