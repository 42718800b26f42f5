import { readdirSync, readFileSync } from 'node:fs';

const MICROS_PER_TICK = 10_000;

/** The CPU time of a process, of those it has started, and of those that have ended since, in microseconds. */
export function cpuOfTree(pid) {
  let ticks = 0;
  for (const each of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const fields = statOf(each);
    if (each === pid) {
      ticks += fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    } else if (fields[1] === pid) {
      ticks += Number(fields[11]) + Number(fields[12]);
    }
  }
  return ticks * MICROS_PER_TICK;
}

/**
 * The fields after the name, which may contain anything: state, parent, …; times from the twelfth
 * on.
 */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return []; // the process has ended
  }
}
