import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import { HIDDEN } from './board-options.js';

/** Restrictions that hold for all queues on the board. */
export interface Restrictions {
  readonly isReadOnly: boolean;
  readonly areArgsHidden: boolean;
}

/**
 * Wraps an adapter that the application has made. The adapter itself does not change: it may be on
 * another board, too.
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
      // Methods are bound to the adapter, whose private fields a Proxy does not have.
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
