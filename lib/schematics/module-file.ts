import type ts from 'typescript';
import type { TypeScript } from './load-typescript.js';

const PACKAGE = 'nestjs-background-tasks';
const MODULE = 'BackgroundTasksModule';
const CALL = `${MODULE}.forRoot()`;

interface Insertion {
  readonly at: number;
  readonly text: string;
}

/**
 * Imports `BackgroundTasksModule.forRoot()` into the `@Module()` of a class, in the style of the file:
 * its quotes, its semicolons, its line breaks, its indentation.
 *
 * @param text of the file
 * @param className of the module; without it the first one in the file
 * @returns the file's new text
 * @throws Error that says why not, and what to write by hand
 */
export function importInto(typescript: TypeScript, text: string, className?: string): string {
  const source = typescript.createSourceFile('a.ts', text, typescript.ScriptTarget.Latest, true);
  const decorator = moduleDecorator(typescript, source, className);
  if (decorator === undefined) {
    throw new Error(byHand(`there is no @Module() ${className ?? 'class'} in it`));
  }
  const insertions = [
    ...importDeclaration(typescript, source),
    importsElement(typescript, source, decorator),
  ];
  return insertions
    .toSorted((one, other) => other.at - one.at)
    .reduce((result, { at, text: added }) => result.slice(0, at) + added + result.slice(at), text);
}

/** Whether a file of the application imports the module already. */
export function isImportedIn(text: string): boolean {
  return new RegExp(`\\b${MODULE}\\s*\\.\\s*forRoot(Async)?\\b`).test(text);
}

function byHand(reason: string): string {
  return (
    `The root module cannot be changed: ${reason}. Add ${CALL} to its imports yourself, ` +
    `with: import { ${MODULE} } from '${PACKAGE}';`
  );
}

function moduleDecorator(
  typescript: TypeScript,
  source: ts.SourceFile,
  className: string | undefined,
): ts.CallExpression | undefined {
  for (const statement of source.statements) {
    const isWanted =
      typescript.isClassDeclaration(statement) &&
      (className === undefined || statement.name?.text === className);
    for (const { expression } of isWanted ? (typescript.getDecorators(statement) ?? []) : []) {
      if (
        typescript.isCallExpression(expression) &&
        expression.expression.getText(source) === 'Module'
      ) {
        return expression;
      }
    }
  }
  return undefined;
}

/** Empty if the name is already imported. */
function importDeclaration(typescript: TypeScript, source: ts.SourceFile): Insertion[] {
  const imports = source.statements.filter((statement) =>
    typescript.isImportDeclaration(statement),
  );
  const isThere = imports.some(
    ({ importClause, moduleSpecifier }) =>
      moduleSpecifier.getText(source).slice(1, -1) === PACKAGE &&
      new RegExp(`\\b${MODULE}\\b`).test(importClause?.getText(source) ?? ''),
  );
  if (isThere) {
    return [];
  }
  const last = imports.at(-1);
  const eol = source.text.includes('\r\n') ? '\r\n' : '\n';
  const quote = last?.moduleSpecifier.getText(source)[0] ?? "'";
  const semicolon = last === undefined || last.getText(source).endsWith(';') ? ';' : '';
  const declaration = `import { ${MODULE} } from ${quote}${PACKAGE}${quote}${semicolon}`;
  return last === undefined
    ? [{ at: source.getFullStart(), text: `${declaration}${eol}` }]
    : [{ at: last.getEnd(), text: `${eol}${declaration}` }];
}

function importsElement(
  typescript: TypeScript,
  source: ts.SourceFile,
  { arguments: args, end }: ts.CallExpression,
): Insertion {
  const [metadata] = args;
  if (metadata === undefined) {
    return { at: end - 1, text: `{ imports: [${CALL}] }` };
  }
  if (!typescript.isObjectLiteralExpression(metadata)) {
    throw new Error(byHand('the argument of @Module() is not an object literal'));
  }
  const { properties } = metadata;
  const imports = properties.find(({ name }) => name && 'text' in name && name.text === 'imports');
  if (imports === undefined) {
    // Of two `imports`, the later one would replace the other.
    if (properties.some((property) => typescript.isSpreadAssignment(property))) {
      throw new Error(byHand('part of the argument of @Module() comes from elsewhere'));
    }
    return { at: metadata.getStart(source) + 1, text: asFirst(source, properties[0]) };
  }
  if (
    !typescript.isPropertyAssignment(imports) ||
    !typescript.isArrayLiteralExpression(imports.initializer)
  ) {
    throw new Error(byHand('its imports are not an array literal'));
  }
  const { elements } = imports.initializer;
  const last = elements.at(-1);
  return last === undefined
    ? { at: imports.initializer.getStart(source) + 1, text: CALL }
    : { at: last.getEnd(), text: `,${gapBefore(source, last) || ' '}${CALL}` };
}

/** The text of a first property: on a line of its own if the others are. */
function asFirst(source: ts.SourceFile, next: ts.Node | undefined): string {
  const imports = `imports: [${CALL}]`;
  return next === undefined ? ` ${imports} ` : `${gapBefore(source, next) || ' '}${imports},`;
}

/** The line break and the indentation before a node; empty if the node does not begin a line. */
function gapBefore(source: ts.SourceFile, node: ts.Node): string {
  const before = source.text.slice(0, node.getStart(source));
  return /\r?\n[ \t]*$/.exec(before)?.[0] ?? '';
}
