import { boardPassword } from './board/board-password.js';

/**
 * What to try, ready to paste.
 *
 * @param url where the sample listens, for example `http://127.0.0.1:3000`
 */
export function curlLines(url: string): string {
  // A new address each time: the same one signs up once only.
  const signUp = (query: string, name: string): string =>
    `curl '${url}/signup${query}' -H 'content-type: application/json' ` +
    `-d '{"email":"${name.toLowerCase()}-'$(date +%s)'@example.com","name":"${name}"}'`;
  return `
Try, in another terminal in the same directory, as often as you like:

  # notifications: the line is in log.txt after the answer; with ?q= a guard adds one before it
  curl -X POST '${url}/send-notification/ada@example.com'
  curl -X POST '${url}/send-notification/ada@example.com?q=some-query'
  cat log.txt

  # signup: a welcome mail; with ?failures=2 the mail server refuses the next two deliveries
  ${signUp('', 'Ada')}
  ${signUp('?failures=2', 'Grace')}
  curl '${url}/mails'

  # all tasks, in a browser: ${url.replace('//', `//admin:${boardPassword}@`)}/tasks/
  curl '${url}/health'
  curl '${url}/metrics'

More (images, users, webhooks, analytics, mail, reports, process): sample/README.md
`;
}
