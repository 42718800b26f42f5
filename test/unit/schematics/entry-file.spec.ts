import { describe, expect, it } from '@jest/globals';
import typescript from 'typescript';
import { rootModuleIn } from '../../../lib/schematics/entry-file.js';

const mainWith = (start: string, imported = 'AppModule'): string => `
import { NestFactory } from '@nestjs/core';
import { ${imported} } from './app.module.js';

async function bootstrap() {
  const app = await ${start};
  await app.listen(3000);
}
void bootstrap();
`;

describe('the module that main.ts starts', () => {
  it.each([
    'NestFactory.create(AppModule)',
    'NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter())',
    'NestFactory.createMicroservice(AppModule, { transport: Transport.TCP })',
    'NestFactory.createApplicationContext(AppModule)',
  ])('is found in %s', (start) => {
    expect(rootModuleIn(typescript, mainWith(start))).toEqual({
      className: 'AppModule',
      specifier: './app.module.js',
    });
  });

  it('goes by the name it has where it is declared', () => {
    const text = mainWith('NestFactory.create(Root)', 'AppModule as Root');
    expect(rootModuleIn(typescript, text)).toEqual({
      className: 'AppModule',
      specifier: './app.module.js',
    });
  });

  it.each([
    ['nothing is started', 'NestFactory.other(AppModule)'],
    ['something else is created', 'Factory.create(AppModule)'],
    ['it is not imported by its name', 'NestFactory.create(modules.AppModule)'],
    ['it is declared there', 'NestFactory.create(OwnModule)'],
    ['there is no argument', 'NestFactory.create()'],
  ])('is unknown where %s', (_, start) => {
    expect(rootModuleIn(typescript, mainWith(start))).toBeUndefined();
  });
});
