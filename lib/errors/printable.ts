/** The longest text in a line of the log. */
const MAX_LENGTH = 2_000;

/**
 * Characters that would end a line, move the cursor or turn the text around: control characters,
 * line separators and bidirectional marks.
 */
const UNPRINTABLE =
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/g;

const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * `text` on one line, with unprintable characters escaped and without the credentials of an
 * address: names and messages come from anywhere. The text is cut first, which bounds the work.
 */
export function printable(text: string, maxLength = MAX_LENGTH): string {
  const isCut = text.length > maxLength;
  const kept = isCut ? withoutOpenAddress(text.slice(0, maxLength)) : text;
  const shown = kept.replace(/\S+/g, withoutCredentials).replace(UNPRINTABLE, escape);
  return isCut ? `${shown}… (${text.length - kept.length} more characters)` : shown;
}

/**
 * Matches what may be the user of `user:password` in an address without a scheme, but no Windows
 * path.
 */
const USER = /[\w%.+-]:(?![/\\])/;

/** The beginning of an address, but not of a file's: its path may have an `@` and never a password. */
const ADDRESS = /(?<!file:\/?|webpack-internal:\/?)\/\//;

/** A password may contain an unescaped `@`: nothing before the last one is shown. */
function withoutCredentials(word: string): string {
  const at = word.lastIndexOf('@');
  if (at <= 0) {
    return word;
  }
  const before = word.slice(0, at);
  const start = before.search(ADDRESS) + 2;
  if (start >= 2) {
    return start === at ? word : `${word.slice(0, start)}***${word.slice(at)}`;
  }
  return USER.test(before) ? `***${word.slice(at)}` : word;
}

/** The cut may have separated a password from the `@` that marks it as one. */
function withoutOpenAddress(kept: string): string {
  let start = kept.length;
  while (start > 0 && kept.charAt(start - 1).trim() !== '') {
    start -= 1;
  }
  const colon = kept.slice(start).search(/\w:|\/\//);
  return colon < 0 ? kept : kept.slice(0, start + colon + 1);
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
