/** A message to a thread. */
export interface ThreadCall {
  /** The URL of the file. */
  readonly href: string;
  readonly exportName: string;
  readonly args: readonly unknown[];
}

/** A thread's reply. The function's own failures are replies, so any error of the pool is the pool's. */
export type ThreadReply =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly error: SentError }
  | { readonly kind: 'missing'; readonly problem: string; readonly error?: SentError | undefined }
  | { readonly kind: 'unsendable'; readonly problem: string };

/** A thrown value as it is sent: the channel loses an error's class and properties. */
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
