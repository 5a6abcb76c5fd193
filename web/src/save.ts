/** Gives bytes to the person as a download. They never open as a page: their type says nothing. */

export function saveBlob(blob: Blob, path: string): void {
  const address = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName(path);
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Names are the job's: no direction marks that show `gpj.exe` as `exe.jpg`, no hidden files. */
function fileName(path: string): string {
  const name = path.split("/").at(-1) ?? "";
  return name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "_").replace(/^\.+/, "_") || "file";
}
