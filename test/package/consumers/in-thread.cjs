const { isMainThread } = require('node:worker_threads');

exports.whereAndWhat = function whereAndWhat(text) {
  return `${text}, ${isMainThread ? 'in the main thread' : 'in a thread'}`;
};
