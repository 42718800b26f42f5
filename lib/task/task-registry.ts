import {
  AmbiguousTaskError,
  BackgroundMethodError,
  DuplicateTaskNameError,
  UnknownTaskError,
} from '../errors/misuse.errors.js';
import { isMock } from './background-method.js';
import type { BackgroundOptions, TaskSettings } from './task-options.js';

/** The `@Background()` method of one class that a task's name refers to. */
export interface TaskDefinition {
  readonly name: string;
  readonly type: object;
  /** `Class.method`, for messages. */
  readonly member: string;
  /** The undecorated method. */
  readonly method: (...args: never[]) => unknown;
  readonly settings: TaskSettings;
  /** The decorator's options, merged with those of each call. */
  readonly declared: BackgroundOptions | undefined;
  /** The class is a provider, so a later process finds the task again by its name. */
  readonly isProvided: boolean;
  /** The names of two providers of the class, of which only a call on one tells which is meant. */
  readonly twins?: readonly string[];
  /** The queue's engine stores tasks and finds them by their names. */
  readonly isStored: boolean;
  /** The provider is made per request: see {@link TaskDefinition.resolveTarget}. */
  readonly needsRequest: boolean;
  /** What decorators and tests have put in the method's place, on the class and its providers. */
  readonly inPlace: () => readonly unknown[];
  /**
   * The provider to call the method on: a new instance unless it is a singleton.
   *
   * @param request selects the instance of a request-scoped provider
   */
  readonly resolveTarget: (request?: object) => Promise<object>;
}

/** Finds classes that appeared after the application started. */
export interface TaskFinder {
  /** Registers what the container has gained. */
  explore(): void;
  /** Registers the class of an object that is no provider. */
  adopt(target: object): void;
}

/** The named tasks of one application. */
export class TaskRegistry {
  private readonly byName = new Map<string, TaskDefinition>();
  /** One method has several definitions if subclasses inherit it. */
  private readonly byMethod = new Map<TaskDefinition['method'], TaskDefinition[]>();
  private readonly twins = new WeakMap<TaskDefinition, readonly string[]>();
  /** By the function that a decorator above `@Background()` put in the method's place. */
  private readonly byCopy = new WeakMap<object, TaskDefinition>();
  /** By the function that overrides a method without `@Background()`: the name of that method. */
  private readonly byOverride = new WeakMap<object, string>();
  private finder: TaskFinder | undefined = undefined;
  private found: (definition: TaskDefinition) => void = () => undefined;

  askFor(finder: TaskFinder): void {
    this.finder = finder;
  }

  /** @param found called for each provider's task when it is found; refuses the task by throwing */
  tell(found: (definition: TaskDefinition) => void): void {
    this.found = found;
    // A constructor may have asked for a task already.
    const known = [...this.byMethod.values()].flat();
    known.filter(({ isProvided }) => isProvided).forEach(found);
  }

  /**
   * Several modules may list one provider: its method is still one task. A bundler may have given
   * two classes one name, which matters only if tasks or schedules are found by their names.
   *
   * @throws DuplicateTaskNameError, or what refuses the task
   */
  register(definition: TaskDefinition): void {
    const { method, type, isProvided } = definition;
    const siblings = this.byMethod.get(method);
    const known = siblings?.find((each) => each.type === type);
    if (known !== undefined) {
      if (definition.twins?.length) {
        this.twins.set(known, definition.twins);
      }
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

  /** @param override replaces the method in a subclass, and is no task */
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

  /** By the current name or an alias. */
  get(name: string): TaskDefinition | undefined {
    return this.byName.get(name);
  }

  /** @throws UnknownTaskError if the class cannot belong to this application */
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
    const twins = this.twins.get(definition);
    if (others.length > 0 || twins !== undefined) {
      throw new AmbiguousTaskError(member, twins ?? provided.map((known) => known.member));
    }
    return definition;
  }

  /**
   * The task whose method `fn` replaces, although `fn` carries no mark.
   *
   * @throws BackgroundMethodError if `fn` overrides the method, and so is no task
   */
  inPlaceOf(fn: object): TaskDefinition | undefined {
    const known = this.byCopy.get(fn);
    const member = this.byOverride.get(fn);
    if (known === undefined && member !== undefined) {
      throw new BackgroundMethodError(
        member,
        'the function passed overrides it without the decorator, so it is no task and would run without ' +
          'its object. Put @Background() on the override, too, or call it: addTask(() => mailer.send(…)).',
      );
    }
    if (known !== undefined || !isMock(fn)) {
      return known;
    }
    // Not cached: a test may install a mock at any time.
    const all = [...this.byMethod.values()].flat();
    return all.find((definition) => definition.inPlace().includes(fn));
  }

  private providedWith(method: TaskDefinition['method']): TaskDefinition[] {
    return (this.byMethod.get(method) ?? []).filter(({ isProvided }) => isProvided);
  }
}

/** The name was chosen by the user, or a store relies on it. */
function isFoundByName({ isStored, declared }: TaskDefinition): boolean {
  return isStored || declared?.name !== undefined;
}
