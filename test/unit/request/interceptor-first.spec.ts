import { describe, expect, it } from '@jest/globals';
import { UseInterceptors, type NestInterceptor } from '@nestjs/common';
import { INTERCEPTORS_METADATA } from '@nestjs/common/constants.js';
import { BackgroundTasksInterceptor } from '../../../lib/index.js';
import {
  hasInterceptors,
  putInterceptorFirst,
} from '../../../lib/request/nest/interceptor-first.js';

class Other implements NestInterceptor {
  intercept(): never {
    throw new Error('not called');
  }
}

const interceptorsOf = (type: object) =>
  Reflect.getMetadata(INTERCEPTORS_METADATA, type) as unknown;

describe('our interceptor', () => {
  it('stands around all others of a class, once', () => {
    @UseInterceptors(Other)
    class Notes {}
    putInterceptorFirst(Notes);
    putInterceptorFirst(Notes);
    expect(interceptorsOf(Notes)).toEqual([BackgroundTasksInterceptor, Other]);
  });

  it('is put on a class without any', () => {
    class Notes {
      readonly isPlain = true;
    }
    expect(hasInterceptors(Notes)).toBe(false);
    putInterceptorFirst(Notes);
    expect(interceptorsOf(Notes)).toEqual([BackgroundTasksInterceptor]);
    expect(hasInterceptors(Notes)).toBe(true);
  });

  it('stays where somebody has put it', () => {
    @UseInterceptors(Other, BackgroundTasksInterceptor)
    class Notes {}
    putInterceptorFirst(Notes);
    expect(interceptorsOf(Notes)).toEqual([Other, BackgroundTasksInterceptor]);
  });

  it('counts those of the class that a class extends, and leaves that as it is', () => {
    @UseInterceptors(Other)
    class Base {}
    class Notes extends Base {}
    expect(hasInterceptors(Notes)).toBe(true);
    putInterceptorFirst(Notes);
    expect(interceptorsOf(Notes)).toEqual([BackgroundTasksInterceptor, Other]);
    expect(interceptorsOf(Base)).toEqual([Other]);
  });
});
