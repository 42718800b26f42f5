// What an import of the main entry costs an application that has Nest loaded anyway, in milliseconds of CPU time.
import 'reflect-metadata';

for (const name of ['@nestjs/common', '@nestjs/core', 'rxjs']) await import(name);
const before = process.cpuUsage();
await import('nestjs-background-tasks');
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 1_000);
