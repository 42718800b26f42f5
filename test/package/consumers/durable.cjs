require('reflect-metadata');
const { Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const library = require('nestjs-background-tasks');
const { bullmq } = require('nestjs-background-tasks/bullmq');
const { journal } = require('nestjs-background-tasks/journal');
const { exerciseDurable } = require('./exercise-durable.cjs');

const paths = ['bullmq', 'journal'].map((subpath) =>
  require.resolve(`nestjs-background-tasks/${subpath}`),
);
exerciseDurable(library, { bullmq, journal }, paths, { Module, NestFactory }).then(
  (line) => console.log(line),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
