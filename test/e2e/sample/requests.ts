import type { Reply } from '../support/client.js';
import type { RunningApp } from '../support/running-app.js';

/** A form with one file, as `curl -F file=@…` sends it. */
export async function upload(
  app: RunningApp,
  path: string,
  content: Uint8Array<ArrayBuffer> | string,
  field = 'file',
): Promise<{ readonly status: number; readonly body: unknown }> {
  const form = new FormData();
  form.append(field, new Blob([content]), 'a-file');
  const response = await fetch(`http://127.0.0.1:${app.port}${path}`, {
    method: 'POST',
    body: form,
  });
  return { status: response.status, body: await response.json() };
}

/** The caller knows what it is. */
export function bodyOf(reply: Reply): never {
  return JSON.parse(reply.body) as never;
}

export async function getJson(app: RunningApp, path: string): Promise<never> {
  return bodyOf(await app.request(path));
}
