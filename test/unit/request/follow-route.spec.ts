import { describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Param, Post, Req, Query } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { attachCollection } from '../../../lib/intake/find-collection.js';
import { followRoute } from '../../../lib/request/nest/follow-route.js';
import { ambient } from '../../../lib/task/ambient.js';
import { createKit } from '../support/kit.js';

type Route = (this: unknown, ...args: unknown[]) => unknown;
type Parameters = Record<string, { readonly index: number; readonly data?: unknown }>;

/** Follows `type`'s route, and gives it back. */
function follow(type: object & { prototype: object }, key: string): Route {
  followRoute(type, type.prototype, key);
  return (type.prototype as Record<string, Route>)[key];
}

/** What Nest would call a route with: what its parameters ask for. */
function argumentsOf(type: object, key: string, request: object): unknown[] {
  const parameters = Reflect.getMetadata(ROUTE_ARGS_METADATA, type, key) as Parameters;
  const args: unknown[] = [];
  for (const [name, { index, data }] of Object.entries(parameters)) {
    args[index] = name.startsWith('0:') ? request : `value of ${String(data)}`;
  }
  return args;
}

function openRequest() {
  const { release } = createKit();
  const request = {};
  const collection = release.open(undefined);
  attachCollection(request, collection);
  return { request, collection };
}

describe('a route that is followed', () => {
  it('is called by Nest as it was written, inside its request, which ends with it', () => {
    const seen: unknown[] = [];
    @Controller()
    class Notes {
      readonly name = 'notes';

      @Get(':id')
      find(@Param('id') id: string, note = 'left out', ...rest: unknown[]): string {
        seen.push(this, id, note, rest.length, ambient.getStore());
        return 'found';
      }
    }
    const { request, collection } = openRequest();
    const route = follow(Notes, 'find');
    const notes = new Notes();
    expect(route.apply(notes, argumentsOf(Notes, 'find', request))).toBe('found');
    expect(seen).toStrictEqual([notes, 'value of id', 'left out', 0, collection]);
    expect(collection.handler).toBe('completed');
  });

  it('has its own parameters, whatever they are', () => {
    @Controller()
    class Notes {
      @Post()
      add(@Body('text') _text: string, @Req() _request: object, ...rest: unknown[]): unknown {
        return [_text, _request, rest];
      }

      @Get()
      plain(...rest: unknown[]): unknown {
        return rest;
      }
    }
    const { request } = openRequest();
    const add = follow(Notes, 'add');
    expect(add.apply(new Notes(), argumentsOf(Notes, 'add', request))).toStrictEqual([
      'value of text',
      request,
      [],
    ]);
    const plain = follow(Notes, 'plain');
    const own = openRequest();
    expect(plain.apply(new Notes(), argumentsOf(Notes, 'plain', own.request))).toStrictEqual([]);
    expect(own.collection.handler).toBe('completed');
  });

  it('fails its request where it throws', () => {
    @Controller()
    class Notes {
      @Get()
      find(): never {
        throw new Error('no');
      }
    }
    const { request, collection } = openRequest();
    const route = follow(Notes, 'find');
    expect(() => route.apply(new Notes(), argumentsOf(Notes, 'find', request))).toThrow('no');
    expect(collection.handler).toBe('failed');
  });

  it('keeps the context of its request where that is still there', async () => {
    let store: unknown;
    @Controller()
    class Notes {
      @Get()
      find(): void {
        store = ambient.getStore();
      }
    }
    const { request, collection } = openRequest();
    const route = follow(Notes, 'find');
    ambient.run(collection, () => route.apply(new Notes(), argumentsOf(Notes, 'find', request)));
    expect(store).toBe(collection);
    expect(collection.handler).toBe('completed');
  });

  it('is a plain method for whoever else calls it', () => {
    @Controller()
    class Notes {
      @Get(':id')
      find(@Param('id') ...all: unknown[]): unknown {
        return all;
      }
    }
    const route = follow(Notes, 'find');
    for (const args of [[], ['a'], ['a', 'b'], ['a', {}, 'c']]) {
      expect(route.apply(new Notes(), args)).toStrictEqual(args);
    }
  });

  it('is part of its request’s handler where another route calls it with the request', () => {
    @Controller()
    class Notes {
      @Get()
      inner(...rest: unknown[]): unknown {
        return rest;
      }
    }
    const { request, collection } = openRequest();
    const inner = follow(Notes, 'inner');
    collection.keeper.begin(collection);
    expect(inner.apply(new Notes(), argumentsOf(Notes, 'inner', request))).toStrictEqual([]);
    expect(collection.handler).toBe('running');
  });

  it('is followed once, however many applications its class serves', () => {
    @Controller()
    class Notes {
      @Get()
      find(...rest: unknown[]): unknown {
        return rest;
      }
    }
    const route = follow(Notes, 'find');
    expect(follow(Notes, 'find')).toBe(route);
    const { request } = openRequest();
    expect(route.apply(new Notes(), argumentsOf(Notes, 'find', request))).toStrictEqual([]);
  });

  it('has its own arguments in an application without the module, which shares its class', () => {
    @Controller()
    class Notes {
      @Get()
      find(@Query('q') q?: string, page = 1): unknown {
        return [q, page];
      }
    }
    const route = follow(Notes, 'find');
    const request = { headers: {}, url: '/' };
    expect(route.apply(new Notes(), ['ada', request])).toStrictEqual(['ada', 1]);
    expect(route.apply(new Notes(), ['ada', 2])).toStrictEqual(['ada', 2]);
  });

  it('can be replaced as before, by a test for example', () => {
    @Controller()
    class Notes {
      @Get()
      find(): string {
        return 'found';
      }
    }
    follow(Notes, 'find');
    Notes.prototype.find = () => 'replaced';
    expect(new Notes().find()).toBe('replaced');
    Object.defineProperty(Notes.prototype, 'find', { value: () => 'defined' });
    expect(new Notes().find()).toBe('defined');
    expect(Object.keys(Notes.prototype)).toStrictEqual([]);
  });

  it('keeps its metadata and its name', () => {
    @Controller()
    class Notes {
      @Get('path')
      find(): void {}
    }
    const route = follow(Notes, 'find');
    expect(Reflect.getMetadata('path', route)).toBe('path');
    expect(route.name).toBe('find');
  });

  it('is none where there is no such method', () => {
    class Notes {
      readonly isEmpty = true;
    }
    expect(follow(Notes, 'find')).toBeUndefined();
    expect(Reflect.getMetadata(ROUTE_ARGS_METADATA, Notes, 'find')).toBeUndefined();
  });
});
