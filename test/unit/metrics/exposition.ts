/** One sample of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One metric of a scrape, with all of its samples. */
export interface Family {
  readonly name: string;
  type: string;
  help: string;
  readonly samples: Sample[];
}

/** Labels as a key, whatever their order. */
export function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(
    Object.entries(labels).toSorted(([one], [other]) => one.localeCompare(other)),
  );
}

const SUFFIXES = ['', '_bucket', '_sum', '_count'];

/**
 * Reads the text format of Prometheus, version 0.0.4, as strictly as it is written down: each
 * family has a HELP and a TYPE before its samples, and no sample is without or twice.
 */
export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) {
    throw new Error('the last line does not end');
  }
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current: Family | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('# ')) {
      const [, keyword, name, ...rest] = line.split(' ');
      if (current?.name !== name) {
        if (families.has(name)) {
          throw new Error(`${name} comes twice`);
        }
        current = { name, type: '', help: '', samples: [] };
        families.set(name, current);
      }
      current[keyword === 'TYPE' ? 'type' : 'help'] = rest.join(' ');
    } else if (line !== '') {
      const sample = new SampleReader(line).read();
      const { name } = current ?? { name: undefined };
      if (!SUFFIXES.some((suffix) => sample.name === `${name}${suffix}`)) {
        throw new Error(`a sample of ${sample.name} among those of ${name}`);
      }
      const key = `${sample.name} ${keyOf(sample.labels)}`;
      if (seen.has(key)) {
        throw new Error(`twice: ${line}`);
      }
      seen.add(key);
      current?.samples.push(sample);
    }
  }
  return families;
}

class SampleReader {
  private index = 0;

  constructor(private readonly line: string) {}

  read(): Sample {
    const name = this.until('{ ');
    const labels: Record<string, string> = {};
    if (this.peek() === '{') {
      this.take('{');
      while (this.peek() !== '}') {
        const label = this.until('=');
        this.take('=');
        if (Object.hasOwn(labels, label)) {
          throw new Error(`label ${label} twice: ${this.line}`);
        }
        labels[label] = this.quoted();
        if (this.peek() === ',') {
          this.take(',');
        }
      }
      this.take('}');
    }
    this.take(' ');
    const rest = this.line.slice(this.index);
    const value = rest === '+Inf' ? Number.POSITIVE_INFINITY : Number(rest);
    if (Number.isNaN(value)) {
      throw new Error(`not a number: ${this.line}`);
    }
    return { name, labels, value };
  }

  private peek(): string {
    return this.line.charAt(this.index);
  }

  private take(expected: string): void {
    if (this.peek() !== expected) {
      throw new Error(`expected ${expected} at ${this.index}: ${this.line}`);
    }
    this.index += 1;
  }

  private until(ends: string): string {
    const from = this.index;
    while (this.index < this.line.length && !ends.includes(this.peek())) {
      this.index += 1;
    }
    return this.line.slice(from, this.index);
  }

  private quoted(): string {
    this.take('"');
    let text = '';
    while (this.peek() !== '"') {
      if (this.peek() === '\\') {
        this.index += 1;
        text += this.peek() === 'n' ? '\n' : this.peek();
      } else {
        text += this.peek();
      }
      this.index += 1;
      if (this.index > this.line.length) {
        throw new Error(`a label does not end: ${this.line}`);
      }
    }
    this.take('"');
    return text;
  }
}
