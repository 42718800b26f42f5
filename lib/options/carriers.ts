import type { StoredCall } from '../task/stored-call.js';
import type { CarryOptions } from './module-options.js';

/** What goes with stored tasks: as the module's options have it, and for whoever was added since. */
export class Carriers {
  private readonly added = new Map<string, CarryOptions>();

  constructor(private readonly own: CarryOptions | undefined) {}

  get isEmpty(): boolean {
    return this.own === undefined && this.added.size === 0;
  }

  /** Providers that are made for a request can be made for a stored task. */
  get canMakeRequest(): boolean {
    return this.own?.request !== undefined;
  }

  /** The request as it is made again of what `capture()` returned. */
  requestOf(carried: unknown): object | undefined {
    return this.own?.request?.(carried);
  }

  /** @returns a function that takes it away again */
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

  /** Calls `run` inside all of them, the one of the options innermost. */
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
