import { fileURLToPath } from 'node:url';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import * as library from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';
import { journal } from 'nestjs-background-tasks/journal';
import { exerciseDurable } from './exercise-durable.cjs';

const paths = ['bullmq', 'journal'].map((subpath) =>
  fileURLToPath(import.meta.resolve(`nestjs-background-tasks/${subpath}`)),
);
console.log(await exerciseDurable(library, { bullmq, journal }, paths, { Module, NestFactory }));
