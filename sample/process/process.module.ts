import { Module } from '@nestjs/common';
import { UploadsModule } from '../uploads/uploads.module.js';
import { ProcessController } from './process.controller.js';

/** Two seconds of work on an upload, in the request or in the background: the headline benchmark. */
@Module({ imports: [UploadsModule], controllers: [ProcessController] })
export class ProcessModule {}
