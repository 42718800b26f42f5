import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import {
  Controller,
  Get,
  Header,
  HttpCode,
  NotFoundException,
  Param,
  ParseEnumPipe,
  Post,
  StreamableFile,
  UnsupportedMediaTypeException,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { fileTypeFromFile } from 'file-type';
import { TaskRunner, Tasks, type BackgroundTasks, type TaskInfo } from 'nestjs-background-tasks';
import { reasonOf } from '../reason-of.js';
import { UploadInterceptor, type Upload } from '../uploads/upload.interceptor.js';
import { ImageTasks, pathOf, type PictureKind, type Pictures } from './image-tasks.js';

const ACCEPTED = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif']);

@Controller('images')
export class ImagesController {
  constructor(
    private readonly images: ImageTasks,
    private readonly runner: TaskRunner,
  ) {}

  /** The task gets the path of the file, not the request, which is over when the task runs. */
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
    const { status, outcome, progress, result } = await this.task(id);
    const { percent } = (progress ?? { percent: 0 }) as { percent: number };
    const { thumbnail, sepia } = (result ?? {}) as Partial<Pictures>;
    // A URL, not the path: clients need not know where files are on this machine.
    const pictures = {
      thumbnail: thumbnail && { url: `/images/${id}/thumbnail`, ...thumbnail },
      sepia: sepia && { url: `/images/${id}/sepia`, ...sepia },
    };
    return { id, status, percent, ...pictures, reason: reasonOf(outcome) };
  }

  @Get(':id/:kind')
  @Header('content-type', 'image/webp')
  async picture(
    @Param('id') id: string,
    @Param('kind', new ParseEnumPipe(['thumbnail', 'sepia'])) kind: PictureKind,
  ): Promise<StreamableFile> {
    const { result } = await this.task(id);
    if ((result as Pictures | undefined)?.[kind] === undefined) {
      throw new NotFoundException(`There is no ${kind} of ${id} yet.`);
    }
    return new StreamableFile(createReadStream(await pathOf(id, kind)));
  }

  /** @throws NotFoundException */
  private async task(id: string): Promise<TaskInfo> {
    const task = await this.runner.get(id);
    if (task?.name !== 'images.process') {
      throw new NotFoundException(`There is no image ${id}, or it is forgotten.`);
    }
    return task;
  }

  /** By the content of the file: its name can be anything. @throws UnsupportedMediaTypeException */
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
