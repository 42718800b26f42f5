import { fileURLToPath } from 'node:url';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import * as library from 'nestjs-background-tasks';
import * as threads from 'nestjs-background-tasks/threads';
import { exerciseThreads } from './exercise-threads.cjs';

const path = fileURLToPath(import.meta.resolve('nestjs-background-tasks/threads'));
const file = new URL('./in-thread.mjs', import.meta.url);
console.log(await exerciseThreads(library, threads, path, file, { Module, NestFactory }));
