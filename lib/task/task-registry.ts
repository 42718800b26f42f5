import {
  AmbiguousTaskError,
  BackgroundMethodError,
  DuplicateTaskNameError,
  UnknownTaskError,
} from '../errors/misuse.errors.js';
import { isMock } from './background-method.js';
import type { BackgroundOptions, TaskSettings } from './task-options.js';

/** A `@Background()` method of one class: what a task's name stands for. */
export interface TaskDefinition {
  readonly name: string;
  /** The class. */
  readonly type: object;
  /** `Class.method`, for messages. */
  readonly member: string;
  /** The method as it was written, without the decorator. */
  readonly method: (...args: never[]) => unknown;
  readonly settings: TaskSettings;
  /** What stands on the decorator; merged anew with the options of each call. */
  readonly declared: BackgroundOptions | undefined;
  /** Its class is a provider: a later process finds the task again by its name. */
  readonly isProvided: boolean;
  /** Its queue's engine finds the task by its name. */
  readonly isStored: boolean;
  /** The class gets the request that it is made for: see {@link TaskDefinition.resolveTarget}. */
  readonly needsRequest: boolean;
  /** What stands in the method's place on its class and its providers: decorators and tests put it there. */
  readonly inPlace: () => readonly unknown[];
  /**
   * The provider to call the method on; made anew where the provider is not a singleton.
   *
   * @param request the one whose instance is meant, where the provider is made for requests
   */
  readonly resolveTarget: (request?: object) => Promise<object>;
}

/** Finds what was not there when the application started. */
export interface TaskFinder {
  /** Registers what the container has by now. */
  explore(): void;
  /** Registers the class of an object that is no provider. */
  adopt(target: object): void;
}

/** The named tasks of one application. */
export class TaskRegistry {
  private readonly byName = new Map<string, TaskDefinition>();
  /** Several for one method where subclasses inherit it. */
  private readonly byMethod = new Map<TaskDefinition['method'], TaskDefinition[]>();
  /** By what a decorator above `@Background()` has put in the method's place. */
  private readonly byCopy = new WeakMap<object, TaskDefinition>();
  /** By what overrides a method without `@Background()`: the method. */
  private readonly byOverride = new WeakMap<object, string>();
  private finder: TaskFinder | undefined = undefined;
  private found: (definition: TaskDefinition) => void = () => undefined;

  /** Whom to ask for what is not known yet. */
  askFor(finder: TaskFinder): void {
    this.finder = finder;
  }

  /** @param found is told of each task of a provider, whenever it is found; what it throws refuses the task */
  tell(found: (definition: TaskDefinition) => void): void {
    this.found = found;
  }

  /**
   * The same method of a provider that several modules list is one task. A bundler may have given two
   * classes one name, which matters only where a store finds tasks by their names.
   *
   * @throws DuplicateTaskNameError, or what refuses the task
   */
  register(definition: TaskDefinition): void {
    const { method, type, isProvided } = definition;
    const siblings = this.byMethod.get(method);
    if (siblings?.some((known) => known.type === type)) {
      return;
    }
    if (isProvided) {
      const names = [definition.name, ...(definition.declared?.aliases ?? [])];
      names.forEach((name) => this.expectFree(name, definition));
      this.found(definition);
      names
        .filter((name) => !this.byName.has(name))
        .forEach((name) => this.byName.set(name, definition));
    }
    for (const fn of definition.inPlace()) {
      if (typeof fn === 'function' && !isMock(fn)) {
        this.byCopy.set(fn, definition);
      }
    }
    if (siblings === undefined) {
      this.byMethod.set(method, [definition]);
    } else {
      siblings.push(definition);
    }
  }

  /** @param override stands in the method's place in a subclass, and is no task */
  overridden(override: unknown, member: string): void {
    if (typeof override === 'function' && !isMock(override)) {
      this.byOverride.set(override, member);
    }
  }

  private expectFree(name: string, definition: TaskDefinition): void {
    const holder = this.byName.get(name);
    if (holder !== undefined && [holder, definition].some(isFoundByName)) {
      throw new DuplicateTaskNameError(name, holder.member, definition.member);
    }
  }

  /** By its name, or one that it used to have. */
  get(name: string): TaskDefinition | undefined {
    return this.byName.get(name);
  }

  /** @throws UnknownTaskError where its class can be none of this application's */
  ofCall(method: TaskDefinition['method'], member: string, target: object): TaskDefinition {
    const type = (Object.getPrototypeOf(target) as object).constructor;
    const find = (): TaskDefinition | undefined =>
      this.byMethod.get(method)?.find((known) => known.type === type);
    let found = find();
    if (found === undefined) {
      this.finder?.explore();
      found = find();
    }
    if (found === undefined) {
      this.finder?.adopt(target);
      found = find();
    }
    if (found === undefined) {
      throw new UnknownTaskError(member);
    }
    return found;
  }

  /** @throws UnknownTaskError, AmbiguousTaskError (a method that several providers inherit) */
  ofMethod(method: TaskDefinition['method'], member: string): TaskDefinition {
    let provided = this.providedWith(method);
    if (provided.length === 0) {
      this.finder?.explore();
      provided = this.providedWith(method);
    }
    const [definition, ...others] = provided;
    if (definition === undefined) {
      throw new UnknownTaskError(member);
    }
    if (others.length > 0) {
      throw new AmbiguousTaskError(
        member,
        provided.map((known) => known.member),
      );
    }
    return definition;
  }

  /**
   * The task whose method `fn` stands in the place of, though nothing on `fn` says so.
   *
   * @throws BackgroundMethodError where it overrides the method, and is no task
   */
  inPlaceOf(fn: object): TaskDefinition | undefined {
    const known = this.byCopy.get(fn);
    const member = this.byOverride.get(fn);
    if (known === undefined && member !== undefined) {
      throw new BackgroundMethodError(
        member,
        'what was passed overrides it without the decorator, so it is no task, and would run without ' +
          'its object. Put @Background() on the override, too, or call it: addTask(() => mailer.send(…)).',
      );
    }
    if (known !== undefined || !isMock(fn)) {
      return known;
    }
    // A test may put it there at any time.
    const all = [...this.byMethod.values()].flat();
    return all.find((definition) => definition.inPlace().includes(fn));
  }

  private providedWith(method: TaskDefinition['method']): TaskDefinition[] {
    return (this.byMethod.get(method) ?? []).filter(({ isProvided }) => isProvided);
  }
}

/** Somebody has given it the name, or a store goes by it. */
function isFoundByName({ isStored, declared }: TaskDefinition): boolean {
  return isStored || declared?.name !== undefined;
}
