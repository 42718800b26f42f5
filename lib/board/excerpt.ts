const MAX_DEPTH = 6;
const MAX_NODES = 500;
const MAX_CHARACTERS = 20_000;

/**
 * As much of any value as a page can show, as plain JSON. Depth, entries and text are bounded: a
 * task with 10 MB of arguments costs no more than a small one. Never throws.
 */
export function excerptOf(value: unknown): unknown {
  return new Excerpt().of(value, 0);
}

export function excerptOfText(text: string, limit = MAX_CHARACTERS): string {
  return text.length <= limit
    ? text
    : `${text.slice(0, limit)}… (${text.length - limit} more characters)`;
}

class Excerpt {
  private nodes = MAX_NODES;
  private characters = MAX_CHARACTERS;
  /** The objects around the current value, the outermost first. */
  private readonly around: object[] = [];

  of(value: unknown, depth: number): unknown {
    this.nodes -= 1;
    try {
      return this.look(value, depth);
    } catch {
      return '(a value that cannot be shown)';
    }
  }

  private look(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        return this.text(value);
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'boolean':
        return value;
      case 'undefined':
        return '(undefined)';
      case 'bigint':
        return `${value}n`;
      case 'symbol':
        return this.text(String(value));
      case 'function':
        return this.text(`(function ${value.name})`);
      case 'object':
        return value === null ? null : this.once(value, depth);
    }
  }

  private once(value: object, depth: number): unknown {
    if (this.around.includes(value)) {
      return '(a circle)';
    }
    this.around.push(value);
    try {
      return this.object(value, depth);
    } finally {
      this.around.pop();
    }
  }

  private object(value: object, depth: number): unknown {
    if (value instanceof Date) {
      return String(value.getTime() === value.getTime() ? value.toISOString() : value);
    }
    if (value instanceof Error) {
      return this.text(`${value.name}: ${value.message}`);
    }
    if (ArrayBuffer.isView(value)) {
      return `(${value.constructor.name} of ${value.byteLength} bytes)`;
    }
    if (depth >= MAX_DEPTH) {
      return '(…)';
    }
    if (value instanceof Map || value instanceof Set) {
      return { [`(${value.constructor.name})`]: this.entries(value, value.size, depth) };
    }
    return Array.isArray(value)
      ? this.entries(value, value.length, depth)
      : this.properties(value as Record<string, unknown>, depth);
  }

  private entries(values: Iterable<unknown>, size: number, depth: number): unknown[] {
    const shown: unknown[] = [];
    for (const each of values) {
      if (this.nodes <= 0) {
        shown.push(`(… ${size - shown.length} more)`);
        break;
      }
      shown.push(this.of(each, depth + 1));
    }
    return shown;
  }

  private properties(value: Record<string, unknown>, depth: number): Record<string, unknown> {
    const shown: [string, unknown][] = [];
    // Not Object.keys(), which would list a million keys first.
    for (const key in value) {
      if (!Object.hasOwn(value, key)) {
        continue;
      }
      if (this.nodes <= 0) {
        shown.push(['(…)', 'more']);
        break;
      }
      shown.push([this.text(key), this.of(this.read(value, key), depth + 1)]);
    }
    return Object.fromEntries(shown);
  }

  private read(value: Record<string, unknown>, key: string): unknown {
    try {
      return value[key];
    } catch {
      return '(a getter that throws)';
    }
  }

  private text(text: string): string {
    const shown = excerptOfText(text, Math.max(0, this.characters));
    this.characters -= Math.min(text.length, this.characters);
    return shown;
  }
}
