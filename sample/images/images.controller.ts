import { rm } from 'node:fs/promises';
import {
  Controller,
  Get,
  HttpCode,
  NotFoundException,
  Param,
  Post,
  UnsupportedMediaTypeException,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { fileTypeFromFile } from 'file-type';
import { TaskRunner, Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { UploadInterceptor, type Upload } from '../uploads/upload.interceptor.js';
import { ImageTasks, type ImageProgress } from './image-tasks.js';

const ACCEPTED = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif']);

@Controller('images')
export class ImagesController {
  constructor(
    private readonly images: ImageTasks,
    private readonly runner: TaskRunner,
  ) {}

  /** The task is not given the request, which is over when it runs, but the path of the file. */
  @Post()
  @HttpCode(202)
  @UseInterceptors(UploadInterceptor)
  async upload(@UploadedFile() { path }: Upload, @Tasks() tasks: BackgroundTasks) {
    await this.requireImage(path);
    const { id } = tasks.addTask(this.images.process, path);
    return { id, status: `/images/${id}` };
  }

  @Get(':id')
  async status(@Param('id') id: string) {
    const task = await this.runner.get(id);
    if (task?.name !== 'images.process') {
      throw new NotFoundException(`There is no image ${id}, or it is forgotten.`);
    }
    const { status, outcome } = task;
    const { percent, ...pictures } = (task.progress ?? { percent: 0 }) as ImageProgress;
    const reason = outcome?.status === 'failed' ? (outcome.error as Error).message : undefined;
    return { id, status, percent, ...pictures, reason };
  }

  /** By what is in it: a name can be anything. @throws UnsupportedMediaTypeException */
  private async requireImage(path: string): Promise<void> {
    const type = await fileTypeFromFile(path);
    if (type === undefined || !ACCEPTED.has(type.mime)) {
      await rm(path, { force: true });
      throw new UnsupportedMediaTypeException(
        `Send a JPEG, PNG, WebP or GIF; this is ${type?.mime ?? 'none of what is known here'}.`,
      );
    }
  }
}
