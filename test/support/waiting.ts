/** Waits for conditions. Code that changes something calls `lookAgain`. */
export class Waiting {
  private waiting: { readonly isOver: () => boolean; readonly resolve: () => void }[] = [];

  until(isOver: () => boolean): Promise<void> {
    return isOver()
      ? Promise.resolve()
      : new Promise((resolve) => void this.waiting.push({ isOver, resolve }));
  }

  readonly lookAgain = (): void => {
    const over = this.waiting.filter(({ isOver }) => isOver());
    this.waiting = this.waiting.filter((each) => !over.includes(each));
    over.forEach(({ resolve }) => resolve());
  };
}
