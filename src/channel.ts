/** A socket that the warden handed over. The lean build has a module in place of this. */
import { Socket } from "node:net";

export interface Channel {
  /** Nothing is sent when the other side has gone. */
  send(text: string): void;
  /** Called each time that something has come. */
  onData(listener: () => void): void;
  onClose(listener: () => void): void;
  /** Whether this process lives as long as the other side does. */
  hold(isHeld: boolean): void;
}

export function openChannel(fd: number): Channel {
  const socket = new Socket({ fd, readable: true, writable: true });
  socket.on("error", () => socket.destroy());
  return {
    send: (text) => {
      if (socket.writable) socket.write(text);
    },
    onData: (listener) => socket.on("data", listener),
    onClose: (listener) => socket.on("close", listener),
    hold: (isHeld) => (isHeld ? socket.ref() : socket.unref()),
  };
}
