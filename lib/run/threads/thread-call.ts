/** What the main thread sends. */
export interface ThreadCall {
  /** Of the file, as a URL. */
  readonly href: string;
  readonly exportName: string;
  readonly args: readonly unknown[];
}

/** What a thread answers. Failures are told apart here: whatever else a pool reports is the pool's. */
export type ThreadReply =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly error: SentError }
  /** There is no such function, and why. */
  | { readonly kind: 'missing'; readonly problem: string; readonly error?: SentError | undefined }
  | { readonly kind: 'unsendable'; readonly problem: string };

/** Something thrown, as it travels: of an error's class and properties the channel keeps nothing. */
export type SentError =
  | { readonly kind: 'value'; readonly value: unknown }
  | {
      readonly kind: 'error';
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
      readonly cause: SentError | undefined;
      readonly properties: Readonly<Record<string, unknown>>;
    };
