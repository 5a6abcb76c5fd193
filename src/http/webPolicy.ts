/**
 * What the web page may do, for the header that the service sends and the page's own `<meta>`.
 *
 * Scripts and styles are our files and nothing else; no HTML is ever made from text (Trusted Types
 * without a policy: every such sink throws), so output of a program cannot become markup. Connections
 * go wherever the person's server is: nothing but our script could make one. Pictures are blobs and
 * data addresses, made by the page out of output files.
 *
 * Keeps S22 of SECURITY.md.
 */
const DIRECTIVES = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self' https: wss: http://localhost:* ws://localhost:* http://127.0.0.1:* ws://127.0.0.1:*",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
] as const;

export const META_POLICY = DIRECTIVES.join("; ");

/** Browsers heed these in a header only. */
export const HEADER_POLICY = `${META_POLICY}; frame-ancestors 'none'`;
