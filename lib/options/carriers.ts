import type { StoredCall } from '../task/stored-call.js';
import type { CarryOptions } from './module-options.js';

/**
 * The context that is stored with tasks: that of the module's option `carry`, and of carriers added
 * later.
 */
export class Carriers {
  private readonly added = new Map<string, CarryOptions>();

  constructor(private readonly own: CarryOptions | undefined) {}

  get isEmpty(): boolean {
    return this.own === undefined && this.added.size === 0;
  }

  /** Whether request-scoped providers can be made for a stored task. */
  get canMakeRequest(): boolean {
    return this.own?.request !== undefined;
  }

  /** The request, made again from what `capture()` returned. */
  requestOf(carried: unknown): object | undefined {
    return this.own?.request?.(carried);
  }

  /** @returns a function that removes the carrier */
  add(name: string, carrier: CarryOptions): () => void {
    this.added.set(name, carrier);
    return () => {
      if (this.added.get(name) === carrier) {
        this.added.delete(name);
      }
    };
  }

  capture(): Pick<StoredCall, 'carried' | 'alsoCarried'> {
    const carried = this.own?.capture();
    if (this.added.size === 0) {
      return { carried };
    }
    const captured = Array.from(this.added, ([name, each]) => [name, each.capture()] as const);
    const also = captured.filter(([, value]) => value !== undefined);
    return also.length === 0 ? { carried } : { carried, alsoCarried: Object.fromEntries(also) };
  }

  /** Calls `run` inside all carriers, with that of the options innermost. */
  restore<T>(call: StoredCall | undefined, run: () => T): T {
    const { own } = this;
    let inside = own === undefined ? run : () => own.restore(call?.carried, run);
    for (const [name, each] of this.added) {
      const within = inside;
      inside = () => each.restore(call?.alsoCarried?.[name], within);
    }
    return inside();
  }
}
