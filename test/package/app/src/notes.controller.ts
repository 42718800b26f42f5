import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Controller, Param, Post } from '@nestjs/common';
import { BackgroundTasks, Tasks } from 'nestjs-background-tasks';

async function note(text: string): Promise<void> {
  console.log(`noted ${text}`);
}

/** Ends some turns of the event loop after the process is told to end. */
async function noteAtTheEnd(text: string): Promise<void> {
  const told = once(process, 'SIGTERM');
  console.log(`began ${text}`);
  await told;
  for (let turns = 0; turns < 1_000; turns += 1) await setImmediate();
  await note(text);
}

@Controller('notes')
export class NotesController {
  @Post(':text')
  add(@Param('text') text: string, @Tasks() tasks: BackgroundTasks) {
    tasks.addTask(text === 'last' ? noteAtTheEnd : note, text);
    return { accepted: text };
  }
}
