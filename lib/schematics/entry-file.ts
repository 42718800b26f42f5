import type ts from 'typescript';
import type { TypeScript } from './load-typescript.js';

/** The class that an application is started with, and where it is imported from. */
export interface RootModule {
  readonly className: string;
  readonly specifier: string;
}

const STARTERS = new Set(['create', 'createMicroservice', 'createApplicationContext']);

/**
 * Reads `main.ts`: the first argument of `NestFactory.create()`, or of one of its siblings.
 *
 * @param text of the file
 * @returns `undefined` where there is no such call, or its argument is not imported by its name
 */
export function rootModuleIn(typescript: TypeScript, text: string): RootModule | undefined {
  const source = typescript.createSourceFile('main.ts', text, typescript.ScriptTarget.Latest, true);
  const className = startedIn(typescript, source);
  if (className === undefined) {
    return undefined;
  }
  for (const statement of source.statements) {
    if (typescript.isImportDeclaration(statement)) {
      const { importClause, moduleSpecifier } = statement;
      const bindings = importClause?.namedBindings;
      const found =
        bindings !== undefined &&
        typescript.isNamedImports(bindings) &&
        bindings.elements.find(({ name }) => name.text === className);
      if (found && typescript.isStringLiteral(moduleSpecifier)) {
        const { name, propertyName = name } = found;
        return { className: propertyName.text, specifier: moduleSpecifier.text };
      }
    }
  }
  return undefined;
}

/**
 * Adds the line that lets signals close the application, after the one that makes the application.
 *
 * @param text of `main.ts`
 * @returns the file's new text, or `undefined` if no line of it keeps an application in a variable
 */
export function withShutdownHooks(typescript: TypeScript, text: string): string | undefined {
  const source = typescript.createSourceFile('main.ts', text, typescript.ScriptTarget.Latest, true);
  const call = startIn(typescript, source);
  const declaration = call && typescript.isAwaitExpression(call.parent) && call.parent.parent;
  if (!declaration || !typescript.isVariableDeclaration(declaration)) {
    return undefined;
  }
  const statement = declaration.parent.parent;
  const { name } = declaration;
  if (!typescript.isVariableStatement(statement) || !typescript.isIdentifier(name)) {
    return undefined;
  }
  const quote = /from\s*(["'])/.exec(text)?.[1] ?? "'";
  const indent = /[ \t]*$/.exec(text.slice(0, statement.getStart(source)))?.[0] ?? '';
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const semicolon = statement.getText(source).endsWith(';') ? ';' : '';
  const signals = ['SIGTERM', 'SIGINT'].map((signal) => `${quote}${signal}${quote}`).join(', ');
  const line = `${eol}${indent}${name.text}.enableShutdownHooks([${signals}])${semicolon}`;
  return text.slice(0, statement.end) + line + text.slice(statement.end);
}

function startedIn(typescript: TypeScript, source: ts.SourceFile): string | undefined {
  const [first] = startIn(typescript, source)?.arguments ?? [];
  return first !== undefined && typescript.isIdentifier(first) ? first.text : undefined;
}

/** The first call that makes an application from a module. */
function startIn(typescript: TypeScript, source: ts.SourceFile): ts.CallExpression | undefined {
  let found: ts.CallExpression | undefined;
  const look = (node: ts.Node): void => {
    if (typescript.isCallExpression(node)) {
      const { expression, arguments: args } = node;
      const isStart =
        typescript.isPropertyAccessExpression(expression) &&
        expression.expression.getText(source) === 'NestFactory' &&
        STARTERS.has(expression.name.text);
      if (isStart && args[0] !== undefined && typescript.isIdentifier(args[0])) {
        found ??= node;
      }
    }
    typescript.forEachChild(node, look);
  };
  look(source);
  return found;
}
