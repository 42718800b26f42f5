import {
  AmbiguousTaskError,
  DuplicateTaskNameError,
  UnknownTaskError,
} from '../errors/misuse.errors.js';
import type { BackgroundOptions, TaskSettings } from './task-options.js';

/** A `@Background()` method of one provider: what a task's name stands for. */
export interface TaskDefinition {
  readonly name: string;
  /** The provider's class. */
  readonly type: object;
  /** `Class.method`, for messages. */
  readonly member: string;
  /** The method as it was written, without the decorator. */
  readonly method: (...args: never[]) => unknown;
  readonly settings: TaskSettings;
  /** What stands on the decorator; merged anew with the options of each call. */
  readonly declared: BackgroundOptions | undefined;
  /** The provider to call the method on; made anew where the provider is not a singleton. */
  readonly resolveTarget: () => Promise<object>;
}

/** The named tasks of one application. */
export class TaskRegistry {
  private readonly byName = new Map<string, TaskDefinition>();
  /** Several for one method where subclasses inherit it. */
  private readonly byMethod = new Map<TaskDefinition['method'], TaskDefinition[]>();

  /**
   * The same method of a provider that several modules list is one task.
   *
   * @throws DuplicateTaskNameError
   */
  register(definition: TaskDefinition): void {
    const { name, method, type } = definition;
    const known = this.byName.get(name);
    if (known !== undefined) {
      if (known.method !== method || known.type !== type) {
        throw new DuplicateTaskNameError(name, known.member, definition.member);
      }
      return;
    }
    this.byName.set(name, definition);
    for (const alias of definition.declared?.aliases ?? []) {
      const holder = this.byName.get(alias);
      if (holder !== undefined && holder !== definition) {
        throw new DuplicateTaskNameError(alias, holder.member, definition.member);
      }
      this.byName.set(alias, definition);
    }
    const siblings = this.byMethod.get(method);
    if (siblings === undefined) {
      this.byMethod.set(method, [definition]);
    } else {
      siblings.push(definition);
    }
  }

  /** All of them, each once. */
  all(): Iterable<TaskDefinition> {
    return new Set(this.byName.values());
  }

  /** By its name, or one that it used to have. */
  get(name: string): TaskDefinition | undefined {
    return this.byName.get(name);
  }

  /** The task that a call of `method` on `target` is; none where a subclass calls its `super`. */
  ofCall(method: TaskDefinition['method'], target: object): TaskDefinition | undefined {
    return this.byMethod.get(method)?.find(({ type }) => type === target.constructor);
  }

  /** @throws UnknownTaskError, AmbiguousTaskError (a method that several providers inherit) */
  ofMethod(method: TaskDefinition['method'], member: string): TaskDefinition {
    const [definition, ...others] = this.byMethod.get(method) ?? [];
    if (definition === undefined) {
      throw new UnknownTaskError(member);
    }
    if (others.length > 0) {
      const candidates = [definition, ...others].map((known) => known.member);
      throw new AmbiguousTaskError(member, candidates);
    }
    return definition;
  }
}
