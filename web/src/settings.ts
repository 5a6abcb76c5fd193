/** Server address and colours. In the browser's storage only when the person asked for it. */

export type Theme = "auto" | "light" | "dark";

export interface Settings {
  readonly server: string;
  readonly theme: Theme;
  readonly remember: boolean;
}

const KEY = "sandrun";

/** @param usual where the page came from, or what its host names */
export function loadSettings(usual: string): Settings {
  const fresh: Settings = { server: usual, theme: "auto", remember: false };
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    if (typeof kept !== "object" || kept === null) return fresh;
    const { server, theme } = { server: usual, theme: "auto", ...kept };
    return {
      server: typeof server === "string" && serverAddress(server) !== undefined ? server : usual,
      theme: theme === "light" || theme === "dark" ? theme : "auto",
      remember: true,
    };
  } catch {
    // No storage here (a private window, a sandboxed frame) or not ours: nothing is kept then.
    return fresh;
  }
}

export function keepSettings({ server, theme, remember }: Settings): void {
  try {
    if (remember) localStorage.setItem(KEY, JSON.stringify({ server, theme }));
    else localStorage.removeItem(KEY);
  } catch {
    // As above.
    return;
  }
}

/** `host:8443` and full addresses, as a URL; undefined when it is none. */
export function serverAddress(text: string): string | undefined {
  const full = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
  if (!URL.canParse(full)) return undefined;
  const url = new URL(full);
  if (url.protocol !== "https:" && url.protocol !== "http:") return undefined;
  if (url.username !== "" || url.password !== "") return undefined;
  return `${url.origin}${url.pathname.replace(/\/$/, "")}`;
}

/** The address that the page starts with: what its host names, else where it lies, behind a prefix too. */
export function usualServer(): string {
  const named = document.querySelector<HTMLMetaElement>('meta[name="sandrun-server"]')?.content;
  const own = new URL(".", location.href);
  return serverAddress(named ?? "") ?? serverAddress(own.origin + own.pathname) ?? own.origin;
}
