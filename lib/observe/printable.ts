/** Longer texts end here in a line of the log. */
const MAX_LENGTH = 2_000;

/**
 * Characters that would end a line, move the cursor or turn the text around: control characters,
 * line separators and bidirectional marks.
 */
const UNPRINTABLE =
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `text` on one line that shows what is in it; names and messages come from anywhere. */
export function printable(text: string): string {
  const kept =
    text.length > MAX_LENGTH
      ? `${text.slice(0, MAX_LENGTH)}… (${text.length - MAX_LENGTH} more characters)`
      : text;
  return kept.replace(UNPRINTABLE, escape);
}

/** A stack of one line for its error and one for each frame, none of which can pass for another. */
export function printableStack(stack: string): string {
  const firstFrame = stack.search(/\n\s+at /);
  const head = firstFrame < 0 ? stack : stack.slice(0, firstFrame);
  const frames = firstFrame < 0 ? [] : stack.slice(firstFrame + 1).split('\n');
  return [printable(head), ...frames.map((frame) => `    ${printable(frame.trim())}`)].join('\n');
}

function escape(character: string): string {
  const code = character.charCodeAt(0);
  return (
    SHORT_ESCAPES[character] ??
    (code < 256
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`)
  );
}
