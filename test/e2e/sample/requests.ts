import type { Reply } from '../support/client.js';
import type { RunningApp } from '../support/running-app.js';

/** A form with one file, as `curl -F file=@…` sends it. */
export async function upload(
  app: RunningApp,
  path: string,
  content: Uint8Array | string,
  field = 'file',
): Promise<{ readonly status: number; readonly body: unknown }> {
  const form = new FormData();
  form.append(field, new Blob([content as never]), 'a-file');
  const response = await fetch(`http://127.0.0.1:${app.port}${path}`, {
    method: 'POST',
    body: form,
  });
  return { status: response.status, body: await response.json() };
}

export function bodyOf<T>(reply: Reply): T {
  return JSON.parse(reply.body) as T;
}

export async function getJson<T>(app: RunningApp, path: string): Promise<T> {
  return bodyOf<T>(await app.request(path));
}
