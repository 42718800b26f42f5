/**
 * A PostgreSQL connection with an open transaction: a client of `pg`, a query runner or an entity
 * manager of TypeORM, or any object with this method.
 */
export interface TransactionClient {
  /**
   * @param text a statement, with `$1`, `$2`, … for its values
   * @param values the values, in that order
   * @returns the rows, or an object with `rows`
   */
  query(text: string, values?: unknown[]): Promise<unknown>;
}
