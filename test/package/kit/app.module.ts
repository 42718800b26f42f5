import { BadRequestException, Controller, Module, Param, Post } from '@nestjs/common';
import { BackgroundTasks, BackgroundTasksModule, Tasks } from 'nestjs-background-tasks';
import { Mailer } from './mailer.js';

export const audited: string[] = [];

@Controller('signup')
export class SignupController {
  constructor(private readonly mailer: Mailer) {}

  @Post(':email')
  async signUp(@Param('email') email: string, @Tasks() tasks: BackgroundTasks) {
    tasks.addTask({ when: 'always' }, (one: string) => void audited.push(one), email);
    await this.mailer.sendWelcome(email);
    if (!email.includes('@')) {
      throw new BadRequestException();
    }
    return { email };
  }
}

@Module({
  imports: [BackgroundTasksModule.forRoot()],
  controllers: [SignupController],
  providers: [Mailer],
})
export class AppModule {}
