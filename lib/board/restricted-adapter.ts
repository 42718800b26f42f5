import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import { HIDDEN } from './board-options.js';

/** What an administrator said about all queues on the board. */
export interface Restrictions {
  readonly isReadOnly: boolean;
  readonly areArgsHidden: boolean;
}

/**
 * An adapter that the application has made, as the board may show it. The adapter itself stays as it
 * is: it may be on another board, too.
 */
export function restricted(
  adapter: BaseAdapter,
  { isReadOnly, areArgsHidden }: Restrictions,
): BaseAdapter {
  const overrides: Partial<Record<PropertyKey, unknown>> = {
    ...(isReadOnly && { readOnlyMode: true, allowRetries: false, allowCompletedRetries: false }),
    ...(areArgsHidden && {
      format: (...given: Parameters<BaseAdapter['format']>) =>
        given[0] === 'data' || given[0] === 'returnValue' ? HIDDEN : adapter.format(...given),
      getJobSchedulers: async () =>
        (await adapter.getJobSchedulers()).map(({ template: _template, ...each }) => each),
    }),
  };
  return new Proxy(adapter, {
    get(target, key) {
      if (Object.hasOwn(overrides, key)) {
        return overrides[key];
      }
      const value: unknown = Reflect.get(target, key, target);
      // Its own methods may use what is private to it.
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
