// What went wrong, as one type: a problem document of the server, or a server that did not answer at all.
import type { FieldError, Problem } from './types';

/** `code` is the server's stable code, or `offline` when nothing answered, or `unreadable` when the answer was no problem document. */
export class ApiProblem extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly detail: string,
    readonly body: Partial<Problem> = {},
  ) {
    super(`${code}: ${detail}`);
    this.name = 'ApiProblem';
  }

  get errors(): FieldError[] {
    return this.body.errors ?? [];
  }

  /** Whether asking again later may help without anyone changing anything. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  static from(status: number, body: unknown): ApiProblem {
    if (typeof body === 'object' && body !== null && 'code' in body) {
      const problem = body as Partial<Problem>;
      return new ApiProblem(String(problem.code), status, problem.detail ?? problem.title ?? '', problem);
    }
    return new ApiProblem('unreadable', status, typeof body === 'string' ? body.slice(0, 200) : '');
  }

  static offline(cause: unknown): ApiProblem {
    return new ApiProblem('offline', 0, cause instanceof Error ? cause.message : String(cause));
  }
}

export const asProblem = (error: unknown): ApiProblem =>
  error instanceof ApiProblem ? error : ApiProblem.offline(error);
