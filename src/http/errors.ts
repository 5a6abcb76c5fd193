/** Errors as answers: `{"error", "code", "details"?, "retry_after"?}`. */
import { REFUSALS, type Refusal } from "../core/errors.ts";
import { JSON_TYPE } from "./headers.ts";
import type { ErrorAnswer } from "./schemas.ts";

export function errorAnswer({ code, details, retryAfterSeconds }: Refusal): ErrorAnswer {
  return {
    error: REFUSALS[code].sentence,
    code,
    ...(details === undefined ? {} : { details }),
    ...(retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds }),
  };
}

/** @param allow for `method_not_allowed`: the methods that the address takes */
export function refusalResponse(refusal: Refusal, allow?: string): Response {
  const { retryAfterSeconds } = refusal;
  return errorResponse(refusal.status, errorAnswer(refusal), {
    ...(retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) }),
    ...(allow === undefined ? {} : { Allow: allow }),
  });
}

/** A fault of ours: nothing about it but that it happened; the log has the rest. */
export function faultResponse(): Response {
  return errorResponse(500, {
    error: "The service failed; this is not your fault.",
    code: "internal",
  });
}

export function sandboxErrorResponse(step: string, headers: Record<string, string>): Response {
  const body: ErrorAnswer = { error: "The sandbox failed.", code: "sandbox_error", details: step };
  return errorResponse(500, body, headers);
}

function errorResponse(
  status: number,
  body: ErrorAnswer,
  headers: Record<string, string> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": JSON_TYPE, ...headers },
  });
}
