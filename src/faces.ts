/** Part of the composition root: what stands beside the API, each loaded only when it is asked for. */
import type { ServeConfig } from "./config.ts";
import type { Extension, SocketExtension } from "./http/extension.ts";
import type { WebFiles } from "./http/web.ts";
import { webDirectory } from "./sandbox/place.ts";

/** Routes and WebSockets that other rooms bring. */
export async function extensionsOf(
  config: ServeConfig,
): Promise<{ extensions: readonly Extension[]; sockets: readonly SocketExtension[] }> {
  const mcp = config.mcp ? [(await import("./mcp/http.ts")).mcpExtension()] : [];
  if (!config.piston) return { extensions: mcp, sockets: [] };
  const { pistonExtensions, pistonSockets } = await import("./piston/http.ts");
  return { extensions: [...mcp, ...pistonExtensions], sockets: pistonSockets };
}

/** @throws Error with one sentence when the page was not built */
export async function webFilesOf(config: ServeConfig): Promise<WebFiles | undefined> {
  if (!config.web) return undefined;
  const { readWebFiles } = await import("./http/web.ts");
  return readWebFiles(webDirectory());
}
