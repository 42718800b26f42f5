import { Module } from '@nestjs/common';
import { UploadsModule } from '../uploads/uploads.module.js';
import { ImageTasks } from './image-tasks.js';
import { ImagesController } from './images.controller.js';

/** An upload, made into a thumbnail and a filtered picture by threads. */
@Module({ imports: [UploadsModule], controllers: [ImagesController], providers: [ImageTasks] })
export class ImagesModule {}
