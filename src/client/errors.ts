/** The server refused, or answered with something that is not its API. */
export class ApiError extends Error {
  /** A code of the server's table, or `bad_answer` when the answer was not of the API. */
  readonly code: string;
  /** HTTP status, 0 when there was no usable answer. */
  readonly status: number;
  readonly details: string | undefined;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter: number | undefined;

  constructor(
    sentence: string,
    facts: { code: string; status: number; details?: string; retryAfter?: number },
    options?: ErrorOptions,
  ) {
    super(sentence, options);
    this.name = "ApiError";
    this.code = facts.code;
    this.status = facts.status;
    this.details = facts.details;
    this.retryAfter = facts.retryAfter;
  }
}

/** An answer that does not keep the contract; `what` names the field or the limit. */
export function badAnswer(what: string, status: number, options?: ErrorOptions): ApiError {
  return new ApiError(
    "The server's answer is not of this API.",
    { code: "bad_answer", status, details: what },
    options,
  );
}
