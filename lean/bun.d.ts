/** The little of Bun that the lean build uses. */
declare module "bun:ffi" {
  export interface Signature {
    readonly args: readonly string[];
    readonly returns: string;
  }
  export function dlopen<Names extends string>(
    library: string,
    signatures: Readonly<Record<Names, Signature>>,
  ): { readonly symbols: Readonly<Record<Names, (...args: readonly unknown[]) => number>> };
  export function ptr(bytes: NodeJS.TypedArray): number;
}

declare namespace Bun {
  interface Resolving {
    readonly importer: string;
    readonly path: string;
  }
  interface PluginBuilder {
    onResolve(
      which: { readonly filter: RegExp },
      resolve: (module: Resolving) => { readonly path: string } | undefined,
    ): void;
  }
  interface BuildOptions {
    readonly entrypoints: readonly string[];
    readonly target: "bun";
    readonly bytecode: boolean;
    readonly format: "esm";
    readonly splitting: boolean;
    readonly minify: Readonly<Record<"whitespace" | "syntax" | "identifiers", boolean>>;
    readonly compile: { readonly outfile: string };
    readonly plugins: readonly {
      readonly name: string;
      setup(build: PluginBuilder): void;
    }[];
  }
  function build(
    options: BuildOptions,
  ): Promise<{ readonly success: boolean; readonly logs: readonly unknown[] }>;
  function gc(isSync: boolean): void;
  /** Gives free memory back to the system. */
  function shrink(): void;
  interface Socket {
    write(text: string): number;
    end(): void;
    ref(): void;
    unref(): void;
  }
  function connect(options: {
    readonly fd: number;
    readonly socket: {
      data(socket: Socket): void;
      close(socket: Socket): void;
      error(socket: Socket): void;
    };
  }): Promise<Socket>;
}

declare module "*/sandrun-native" {
  const path: string;

  export = path;
}
