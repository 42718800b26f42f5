// What an import of the main entry loads in an application that has Nest loaded anyway: modules and their bytes.
import 'reflect-metadata';
import { register } from 'node:module';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';

const { port1: loaded, port2: toUs } = new MessageChannel();
register('./report-loaded.mjs', import.meta.url, { data: toUs, transferList: [toUs] });

for (const name of ['@nestjs/common', '@nestjs/core', 'rxjs']) await import(name);
sizes();
await import('nestjs-background-tasks');
const added = sizes();
console.log(JSON.stringify({ modules: added.length, bytes: added.reduce((a, b) => a + b, 0) }));
process.exit();

/** Of what was loaded since it was last asked. */
function sizes() {
  const all = [];
  for (let next; (next = receiveMessageOnPort(loaded)) !== undefined;) all.push(next.message);
  return all;
}
