/** In place of src/channel.ts: Bun has no `net.Socket` for a descriptor, but a socket of its own. */
import type { Channel } from "../src/channel.ts";

export function openChannel(fd: number): Channel {
  const listeners: (() => void)[] = [];
  const closed: (() => void)[] = [];
  const call = (all: readonly (() => void)[]) => {
    for (const listener of all) listener();
  };
  const socket = Bun.connect({
    fd,
    socket: {
      data: () => call(listeners),
      close: () => call(closed),
      error: (own) => own.end(),
    },
  });
  // Without the warden there is nobody to be replaced by.
  socket.catch(() => call(closed));
  const use = (act: (own: Bun.Socket) => void) => {
    socket.then(act).catch(() => undefined);
  };
  return {
    send: (text) => use((own) => own.write(text)),
    onData: (listener) => listeners.push(listener),
    onClose: (listener) => closed.push(listener),
    hold: (isHeld) => use((own) => (isHeld ? own.ref() : own.unref())),
  };
}
