/**
 * The `outputs` patterns of a manifest.
 *
 * | in a pattern | matches |
 * |---|---|
 * | `*` `?` | any characters, one character; never `/` |
 * | `[a-z_]` `[!a-z]` | one character (not) in the set; never `/` |
 * | `**` as a whole segment | any number of segments, also none; at the end: at least one |
 * | `{a,b}` | either text; may hold all of the above, and be nested |
 * | `\` before a character | that character itself |
 * | `results/` | everything below results; the same as `results/**` |
 *
 * The whole path must match, so `*.png` takes the files at the top only (unlike in a
 * .gitignore; `**` + `/*.png` takes those of every level) and `results` takes a file of that
 * name, never what is below a directory of that name. A leading dot is nothing special: `*`
 * takes `.hidden` too, since an output left out in silence is worse than one too many.
 * Upper and lower case differ.
 *
 * core/globTokens.ts reads a pattern, core/globAutomaton.ts runs it.
 */
import { Refusal } from "./errors.ts";
import { type Automaton, automatonMatches, buildAutomaton } from "./globAutomaton.ts";
import { GlobFault, parseGlob } from "./globTokens.ts";
import { MANIFEST_LIMITS } from "./limits.ts";
import { showPath } from "./paths.ts";

/** The automata of all patterns. @throws Refusal `bad_manifest`, naming the pattern. */
function compileAll(patterns: readonly string[]): Automaton[] {
  if (patterns.length > MANIFEST_LIMITS.globs) {
    throw new Refusal("bad_manifest", `outputs: more than ${MANIFEST_LIMITS.globs} patterns`);
  }
  // Without braces every pattern fits: a `/` at the end adds one token, the list itself one.
  let room = MANIFEST_LIMITS.globs * (MANIFEST_LIMITS.globBytes + 2);
  return patterns.flatMap((pattern, index) => {
    try {
      const parsed = parseGlob(pattern, room);
      for (const tokens of parsed) room -= tokens.length + 1;
      return parsed.map(buildAutomaton);
    } catch (error) {
      if (!(error instanceof GlobFault)) throw error;
      throw new Refusal(
        "bad_manifest",
        `outputs[${index}]: "${showPath(pattern)}": ${error.message}`,
      );
    }
  });
}

/**
 * A test whether a path (normalised, relative) matches any of the patterns.
 * The work for one path is at most 1/32 of (length of all patterns × length of the path),
 * plus one step a character and pattern.
 * @param onSteps told the number of steps after each pattern tried.
 * @throws Refusal `bad_manifest` with `outputs[i]: …` for a pattern that cannot be used.
 */
export function compileGlobs(
  patterns: readonly string[],
  onSteps?: (steps: number) => void,
): (path: string) => boolean {
  const automata = compileAll(patterns);
  return (path) => {
    const codes = Array.from(path, (character) => character.codePointAt(0) ?? 0);
    return automata.some((automaton) => automatonMatches(automaton, codes, onSteps));
  };
}
