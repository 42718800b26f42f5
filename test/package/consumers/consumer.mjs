import { fileURLToPath } from 'node:url';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import * as library from 'nestjs-background-tasks';
import { exercise } from './exercise.cjs';

const path = fileURLToPath(import.meta.resolve('nestjs-background-tasks'));
console.log(await exercise(library, path, { Module, NestFactory }));
