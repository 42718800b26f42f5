const OTHER = '(other)';

/** Task names as label values: users make them, some from data, and each new one costs for good. */
export class BoundedNames {
  private readonly known = new Set<string>();

  constructor(private readonly limit: number) {}

  /** `name`, or what stands for all beyond the limit. */
  of(name: string): string {
    if (this.known.has(name)) {
      return name;
    }
    if (this.known.size >= this.limit) {
      return OTHER;
    }
    this.known.add(name);
    return name;
  }
}
