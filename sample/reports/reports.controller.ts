import { randomUUID } from 'node:crypto';
import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpStatus,
  NotFoundException,
  Param,
  Post,
  ValidationPipe,
} from '@nestjs/common';
import { ArrayMaxSize, ArrayNotEmpty, IsString } from 'class-validator';
import { TaskRunner, Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { reasonOf } from '../reason-of.js';
import { extract, load, readReport, transform } from './report-steps.js';

class Sales {
  /** Each line is `day,product,amount`. */
  @IsString({ each: true })
  @ArrayNotEmpty()
  @ArrayMaxSize(10_000)
  readonly lines!: string[];
}

const validation = new ValidationPipe({
  whitelist: true,
  errorHttpStatusCode: HttpStatus.UNPROCESSABLE_ENTITY,
});

@Controller('reports')
export class ReportsController {
  /** The ids of the tasks, by report. */
  private readonly steps = new Map<string, readonly string[]>();

  constructor(private readonly runner: TaskRunner) {}

  @Post()
  @HttpCode(202)
  add(@Body(validation) { lines }: Sales, @Tasks() tasks: BackgroundTasks) {
    const id = randomUUID();
    const chain = tasks.chain();
    this.steps.set(id, [
      chain.addTask(extract, id, lines).id,
      chain.addTask(transform, id).id,
      chain.addTask(load, id).id,
    ]);
    return { id, status: `/reports/${id}` };
  }

  @Get(':id')
  async get(@Param('id') id: string) {
    const taskIds = this.steps.get(id);
    if (taskIds === undefined) {
      throw new NotFoundException(`There is no report ${id}.`);
    }
    const tasks = await Promise.all(taskIds.map((taskId) => this.runner.get(taskId)));
    const steps = tasks.map((task) => {
      return { step: task?.name, status: task?.status, reason: reasonOf(task?.outcome) };
    });
    return { id, steps, report: await readReport(id) };
  }
}
