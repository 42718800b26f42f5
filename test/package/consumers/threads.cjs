require('reflect-metadata');
const { pathToFileURL } = require('node:url');
const { Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const library = require('nestjs-background-tasks');
const threads = require('nestjs-background-tasks/threads');
const { exerciseThreads } = require('./exercise-threads.cjs');

const path = require.resolve('nestjs-background-tasks/threads');
const file = new URL('./in-thread.cjs', pathToFileURL(__filename));
exerciseThreads(library, threads, path, file, { Module, NestFactory }).then(
  (line) => console.log(line),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
