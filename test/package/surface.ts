import { join } from 'node:path';
import ts from 'typescript';

/** What it is exported as, and what it is. */
type Named = readonly [name: string, symbol: ts.Symbol];

const printer = ts.createPrinter({ removeComments: true });

/**
 * The public surface as the compiler sees it: of each way into the package every exported declaration,
 * and every other one that those refer to. Without comments and private members, in alphabetical order.
 *
 * @param folder the declarations of the package stand below it; what they import from elsewhere is
 * somebody else's
 * @param types what is imported → the file with its declarations, relative to `folder`
 */
export function surfaceOf(folder: string, types: Readonly<Record<string, string>>): string {
  const program = programOf(Object.values(types).map((file) => join(folder, file)));
  const checker = program.getTypeChecker();
  const isOwn = (declaration: ts.Declaration): boolean =>
    declaration.getSourceFile().fileName.startsWith(folder);

  const sections = Object.entries(types).map(
    ([specifier, file]) => [specifier, exportsOf(program, join(folder, file))] as const,
  );
  const exported = new Set(sections.flatMap(([, names]) => names.map(([, symbol]) => symbol)));
  const reached = new Set<ts.Symbol>();

  /** @param node what a user can see: whatever it names is to be seen, too */
  const follow = (node: ts.Node): void => {
    const found = ts.isIdentifier(node) ? checker.getSymbolAtLocation(node) : undefined;
    const symbol = found && resolve(checker, found);
    const declarations = symbol?.declarations ?? [];
    const isVisible = declarations.some(isTopLevel) && declarations.every(isOwn);
    if (symbol !== undefined && isVisible && !exported.has(symbol)) {
      reached.add(symbol);
    }
    ts.forEachChild(node, follow);
  };
  // A set that grows while it is walked is walked to its end.
  for (const symbols of [exported, reached]) {
    symbols.forEach(({ declarations }) => declarations?.map(withoutPrivate).forEach(follow));
  }

  const rest = [...reached].map((symbol): Named => [symbol.name, symbol]);
  return [...sections, ['reached, but not exported', rest] as const]
    .map(([title, names]) => {
      const texts = names.map(textOf).toSorted();
      return `## ${title}\n\n\`\`\`typescript\n${texts.join('\n\n')}\n\`\`\`\n`;
    })
    .join('\n');
}

export function programOf(files: string[]): ts.Program {
  const { ModuleKind, ScriptTarget } = ts;
  return ts.createProgram(files, {
    module: ModuleKind.NodeNext,
    target: ScriptTarget.ES2023,
    skipLibCheck: true,
  });
}

/** What `file` exports, each with the symbol at the place where it is declared. */
export function exportsOf(program: ts.Program, file: string): Named[] {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  if (module === undefined) {
    throw new Error(`${file} is not there, or exports nothing. Has the package been built?`);
  }
  return checker
    .getExportsOfModule(module)
    .map((symbol) => [symbol.name, resolve(checker, symbol)]);
}

function resolve(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

function isTopLevel(declaration: ts.Declaration): boolean {
  return ts.isSourceFile(statementOf(declaration).parent);
}

/** Of a variable the whole statement, with its `const`. */
function statementOf(declaration: ts.Declaration): ts.Node {
  return ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
}

function textOf([name, symbol]: Named): string {
  const { declarations = [] } = symbol;
  const texts = declarations.map((declaration) => {
    const source = declaration.getSourceFile();
    const statement = withoutPrivate(statementOf(declaration));
    const text = printer.printNode(ts.EmitHint.Unspecified, statement, source);
    return text.replace(/^export (default )?/, '').replace(/^declare /, '');
  });
  const renamed = name === symbol.name ? [] : [`export { ${symbol.name} as ${name} };`];
  return [...texts, ...renamed].join('\n');
}

function withoutPrivate(node: ts.Node): ts.Node {
  if (!ts.isClassDeclaration(node)) {
    return node;
  }
  const { modifiers, name, typeParameters, heritageClauses, members } = node;
  const visible = members.filter(
    (member) => !(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private),
  );
  return ts.factory.createClassDeclaration(
    modifiers,
    name,
    typeParameters,
    heritageClauses,
    visible,
  );
}
