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

function startedIn(typescript: TypeScript, source: ts.SourceFile): string | undefined {
  let className: string | undefined;
  const look = (node: ts.Node): void => {
    if (typescript.isCallExpression(node)) {
      const { expression, arguments: args } = node;
      const isStart =
        typescript.isPropertyAccessExpression(expression) &&
        expression.expression.getText(source) === 'NestFactory' &&
        STARTERS.has(expression.name.text);
      const [first] = args;
      if (isStart && first !== undefined && typescript.isIdentifier(first)) {
        className ??= first.text;
      }
    }
    typescript.forEachChild(node, look);
  };
  look(source);
  return className;
}
