import { join } from 'node:path';
import ts from 'typescript';
import { exportsOf, programOf } from './surface.js';

/**
 * What public declarations leave unsaid, beyond having a comment at all: what an option is where nobody
 * sets it (each optional property of an interface needs a `@default`), and what a parameter is (each of
 * a function or a method needs a `@param`; of a constructor, if it is one for users, which have a
 * comment).
 *
 * @returns a line for each
 */
export function undocumentedIn(folder: string, files: readonly string[]): string[] {
  const paths = files.map((file) => join(folder, file));
  const program = programOf(paths);
  const declarations = paths
    .flatMap((path) => exportsOf(program, path))
    .flatMap(([, symbol]) => symbol.declarations ?? []);
  return declarations.flatMap((declaration) => {
    if (ts.isInterfaceDeclaration(declaration)) {
      return declaration.members.flatMap((member) => [
        ...withoutDefault(member, declaration.name.text),
        ...withoutParam(member, declaration.name.text),
      ]);
    }
    if (ts.isClassDeclaration(declaration)) {
      const { members, name } = declaration;
      return members.flatMap((member) => withoutParam(member, name?.text));
    }
    return withoutParam(declaration);
  });
}

function withoutDefault(member: ts.TypeElement, owner: string): string[] {
  const isOptional = member.questionToken !== undefined;
  const isStated = ts.getJSDocTags(member).some(({ tagName }) => tagName.text === 'default');
  return isOptional && !isStated
    ? [`${owner}.${nameOf(member)} is optional and has no @default`]
    : [];
}

function withoutParam(node: ts.Declaration, owner?: string): string[] {
  const isForUsers = ts.isConstructorDeclaration(node)
    ? ts.getJSDocCommentsAndTags(node).length > 0
    : ts.isMethodDeclaration(node) || ts.isMethodSignature(node) || ts.isFunctionDeclaration(node);
  if (!isForUsers || !ts.isFunctionLike(node)) {
    return [];
  }
  return node.parameters
    .filter((parameter) => ts.getJSDocParameterTags(parameter).length === 0)
    .map((parameter) => {
      const name = [owner, nameOf(node)].filter((part) => part !== undefined).join('.');
      return `${name}() has no @param ${parameter.name.getText()}`;
    });
}

function nameOf(node: ts.NamedDeclaration): string {
  return node.name?.getText() ?? 'constructor';
}
