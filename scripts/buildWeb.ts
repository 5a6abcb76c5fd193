/**
 * Builds the web page into web/dist: static files that any host can serve, and `sandrun serve --web`.
 * The policy stands once, in src/http/webPolicy.ts, and goes into the page for hosts without headers.
 */
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { META_POLICY } from "../src/http/webPolicy.ts";

const root = fileURLToPath(new URL("../web/", import.meta.url));

await build({
  root,
  configFile: false,
  // Relative, so that the page works below any path.
  base: "./",
  logLevel: "warn",
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: ["chrome125", "firefox128", "safari17.5"],
    modulePreload: { polyfill: false },
    // As files, never as data: addresses, which the policy refuses for everything but pictures.
    assetsInlineLimit: 0,
  },
  plugins: [
    {
      name: "policy",
      transformIndexHtml: (html) => html.replace("%SANDRUN_CSP%", META_POLICY),
    },
  ],
});

// The service reads them as a uid of its own.
for (const entry of readdirSync(join(root, "dist"), { recursive: true, withFileTypes: true })) {
  chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
}
chmodSync(join(root, "dist"), 0o755);
