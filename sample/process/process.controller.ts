import { Controller, HttpCode, Post, UploadedFile, UseInterceptors } from '@nestjs/common';
import { Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { UploadInterceptor, type Upload } from '../uploads/upload.interceptor.js';
import { processUpload } from './process-upload.js';

/** The same work, while the client waits and after its answer. */
@Controller()
export class ProcessController {
  @Post('process-sync')
  @HttpCode(200)
  @UseInterceptors(UploadInterceptor)
  async now(@UploadedFile() { path, size }: Upload) {
    await processUpload(path);
    return { processed: size };
  }

  @Post('process-async')
  @HttpCode(202)
  @UseInterceptors(UploadInterceptor)
  later(@UploadedFile() { path, size }: Upload, @Tasks() tasks: BackgroundTasks) {
    tasks.addTask({ queue: 'process' }, processUpload, path);
    return { accepted: size };
  }
}
