// For a process in which lmdb is not installed: node --import …/register.mjs
import { register } from 'node:module';

register('./resolve.mjs', import.meta.url);
