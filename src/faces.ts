/** Part of the composition root: what stands beside the API, each loaded only when it is asked for. */
import { fileURLToPath } from "node:url";
import type { ServeConfig } from "./config.ts";
import type { Extension } from "./http/extension.ts";
import type { WebFiles } from "./http/web.ts";

/** Routes that other rooms bring. */
export async function extensionsOf(config: ServeConfig): Promise<readonly Extension[]> {
  return [
    ...(config.mcp ? [(await import("./mcp/http.ts")).mcpExtension] : []),
    ...(config.piston ? (await import("./piston/http.ts")).pistonExtensions : []),
  ];
}

/** @throws Error with one sentence when the page was not built */
export async function webFilesOf(config: ServeConfig): Promise<WebFiles | undefined> {
  if (!config.web) return undefined;
  const { readWebFiles } = await import("./http/web.ts");
  return readWebFiles(fileURLToPath(new URL("../web/dist", import.meta.url)));
}
