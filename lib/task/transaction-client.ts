/**
 * A connection to PostgreSQL in which a transaction is open: a client of `pg`, a query runner or an
 * entity manager of TypeORM, or whatever else can be given this method.
 */
export interface TransactionClient {
  /**
   * @param text a statement, with `$1`, `$2`, … for its values
   * @param values in that order
   * @returns the rows, or an object with `rows`
   */
  query(text: string, values?: unknown[]): Promise<unknown>;
}
