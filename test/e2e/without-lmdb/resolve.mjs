export function resolve(name, context, next) {
  if (name === 'lmdb') {
    throw Object.assign(new Error("Cannot find package 'lmdb'"), { code: 'ERR_MODULE_NOT_FOUND' });
  }
  return next(name, context);
}
