/** The package brings no types. */
declare module "piston-client" {
  interface Stage {
    readonly stdout: string;
    readonly stderr: string;
    readonly output: string;
    readonly code: number | null;
    readonly signal: string | null;
  }
  interface Client {
    runtimes(): Promise<
      readonly { language: string; version: string; aliases: readonly string[] }[]
    >;
    execute(
      language: string,
      code: string,
      options?: object,
    ): Promise<{ readonly language: string; readonly version: string; readonly run: Stage }>;
  }
  export function piston(options: { readonly server: string }): Client;
}
