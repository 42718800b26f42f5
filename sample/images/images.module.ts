import { Module } from '@nestjs/common';
import { UploadsModule } from '../uploads/uploads.module.js';
import { ImageTasks } from './image-tasks.js';
import { ImagesController } from './images.controller.js';

/** Turns an upload into a thumbnail and a filtered picture, in threads. */
@Module({ imports: [UploadsModule], controllers: [ImagesController], providers: [ImageTasks] })
export class ImagesModule {}
