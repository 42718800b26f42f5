import { setTimeout } from 'node:timers/promises';
import { Controller, Param, Post } from '@nestjs/common';
import { BackgroundTasks, Tasks } from 'nestjs-background-tasks';

async function note(text: string, delayMs: number): Promise<void> {
  await setTimeout(delayMs);
  console.log(`noted ${text}`);
}

@Controller('notes')
export class NotesController {
  @Post(':text')
  add(@Param('text') text: string, @Tasks() tasks: BackgroundTasks) {
    tasks.addTask(note, text, text === 'slow' ? 1_000 : 0);
    return { accepted: text };
  }
}
