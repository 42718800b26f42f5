const OTHER = '(other)';

/**
 * Task names as label values. Users may build names from data, and each label value costs memory
 * for good.
 */
export class BoundedNames {
  private readonly known = new Set<string>();

  constructor(private readonly limit: number) {}

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
