import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A source file read for one program is used again for the next. */
const sources = new Map<string, ts.SourceFile | undefined>();

/**
 * The errors of the compiler in `roots`, by file. Imported files are not checked themselves: that
 * is what `npm run typecheck` is for.
 *
 * @param texts of files that exist in memory only, or are to be read differently
 * @param own options, beside those of the repository
 */
export function typeErrors(
  roots: readonly string[],
  texts: ReadonlyMap<string, string>,
  own: ts.CompilerOptions = {},
): Map<string, readonly ts.Diagnostic[]> {
  const configFile = join(ROOT, 'tsconfig.json');
  const { config } = ts.readConfigFile(configFile, (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const disk = ts.createCompilerHost(options);
  const directories = new Set([...texts.keys()].map((file) => dirname(file)));
  const program = ts.createProgram(
    roots,
    { ...options, ...own },
    {
      ...disk,
      fileExists: (file) => texts.has(file) || disk.fileExists(file),
      readFile: (file) => texts.get(file) ?? disk.readFile(file),
      directoryExists: (path) => directories.has(path) || disk.directoryExists?.(path) !== false,
      getSourceFile: (file, language) => {
        const text = texts.get(file);
        if (text !== undefined) {
          return ts.createSourceFile(file, text, language);
        }
        if (!sources.has(file)) {
          sources.set(file, disk.getSourceFile(file, language));
        }
        return sources.get(file);
      },
    },
  );
  return new Map(
    roots.map((file) => {
      const source = program.getSourceFile(file);
      return [
        file,
        [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)],
      ];
    }),
  );
}

export const messageOf = ({ messageText }: ts.Diagnostic): string =>
  ts.flattenDiagnosticMessageText(messageText, '\n');
