require('reflect-metadata');
const assert = require('node:assert/strict');
const { Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const library = require('nestjs-background-tasks');
const { exercise } = require('./exercise.cjs');

async function main() {
  const imported = await import('nestjs-background-tasks');
  assert.equal(imported.TaskRunner, library.TaskRunner, 'import and require give one library');
  const path = require.resolve('nestjs-background-tasks');
  console.log(await exercise(library, path, { Module, NestFactory }));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
