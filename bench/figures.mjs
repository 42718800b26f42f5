// Statistics of figures, and how to print them.
import { availableParallelism, loadavg } from 'node:os';

/** @returns `undefined` where there are no values */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** @returns `undefined` where there are no values */
export function median(values) {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

/** Compared round by round: a slow moment affects both sides of a round. */
export function ratios(values, others) {
  return values.flatMap((each, round) =>
    others[round] === undefined ? [] : [each / others[round]],
  );
}

/** With this many digits after the point, and a dash for a missing value. */
export function fixed(value, digits, unit = '') {
  if (value === undefined) return '–';
  const number = value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return `${number}${unit}`;
}

export function quartiles(values, digits) {
  if (values.length === 0) return '–';
  return [0.25, 0.75].map((share) => fixed(percentile(values, share), digits)).join('–');
}

/** The interval that contains the median with 95 % confidence, from the order of the values alone. */
export function interval(values, digits) {
  const half = (1.96 * Math.sqrt(values.length)) / 2;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index) => sorted[Math.min(sorted.length - 1, Math.max(0, index))];
  const from = Math.floor(values.length / 2 - half);
  const to = Math.ceil(values.length / 2 + half) - 1;
  return [at(from), at(to)].map((value) => fixed(value, digits)).join('–');
}

/** A line that is rewritten in place, on a terminal only. */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

export function progressDone() {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
}

export function table(head, rows) {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function machine() {
  const load = loadavg()[0].toFixed(1);
  return `Node ${process.version}, ${availableParallelism()} cores, load average ${load} at the end`;
}
