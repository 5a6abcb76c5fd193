/**
 * The editor. It lives in a shadow root: there CodeMirror adds its styles as adopted sheets, which the
 * strict policy allows, where it would write `<style>` elements into a document.
 */
import { indentWithTab } from "@codemirror/commands";
import { HighlightStyle, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { basicSetup } from "codemirror";
import { highlighting } from "./modes.ts";

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.controlKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--code-number)" },
  { tag: [tags.comment, tags.meta], color: "var(--code-comment)", fontStyle: "italic" },
  {
    tag: [tags.definition(tags.variableName), tags.function(tags.variableName)],
    color: "var(--code-name)",
  },
  {
    tag: [tags.typeName, tags.className, tags.standard(tags.variableName)],
    color: "var(--code-type)",
  },
  { tag: tags.invalid, color: "var(--bad)" },
]);

const look = EditorView.theme({
  "&": {
    height: "100%",
    fontSize: "var(--code-size)",
    backgroundColor: "transparent",
    color: "var(--ink)",
  },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { padding: "12px 0", caretColor: "var(--ink)" },
  ".cm-line": { padding: "0 14px" },
  ".cm-gutters": {
    backgroundColor: "transparent",
    color: "var(--faint)",
    border: "none",
    paddingLeft: "4px",
  },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--line-wash)" },
  ".cm-activeLineGutter": { color: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    {
      backgroundColor: "var(--selection)",
    },
  ".cm-selectionMatch": { backgroundColor: "var(--line-wash)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--selection)", outline: "none" },
  ".cm-placeholder": { color: "var(--quiet)" },
  ".cm-panels, .cm-tooltip": {
    backgroundColor: "var(--panel)",
    color: "var(--ink)",
    borderColor: "var(--edge)",
  },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--accent)",
    color: "var(--on-accent)",
  },
  ".cm-panels input, .cm-panels button": {
    font: "inherit",
    color: "var(--ink)",
    backgroundImage: "none",
  },
  ".cm-foldPlaceholder": {
    backgroundColor: "var(--line-wash)",
    color: "var(--ink)",
    border: "none",
  },
});

export interface Editor {
  text: string;
  /** Of the interpreter; the newest wish wins when grammars arrive late. */
  setLanguage(interpreter: string): Promise<void>;
  focus(): void;
}

export function openEditor(host: HTMLElement, onEdit: () => void): Editor {
  const language = new Compartment();
  const root = host.attachShadow({ mode: "open", delegatesFocus: true });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      extensions: [
        basicSetup,
        keymap.of([indentWithTab]),
        // Also when that Escape closed a list of completions: nobody is caught in the editor.
        EditorView.domEventObservers({
          keydown: (event, view) => {
            if (event.key === "Escape") view.setTabFocusMode(2000);
          },
        }),
        indentUnit.of("    "),
        language.of([]),
        look,
        syntaxHighlighting(colours),
        placeholder("Write or paste a program, or drop files"),
        EditorView.contentAttributes.of({
          tabindex: "0",
          "aria-label": "Code. Escape, then Tab leaves the editor",
          autocapitalize: "off",
          autocorrect: "off",
          spellcheck: "false",
        }),
        EditorView.updateListener.of((update) => {
          const byPerson = (event: string) =>
            update.transactions.some((one) => one.isUserEvent(event));
          if (byPerson("input") || byPerson("delete")) onEdit();
        }),
      ],
    }),
  });
  let wanted = "";
  return {
    get text() {
      return view.state.doc.toString();
    },
    set text(text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
    },
    async setLanguage(interpreter) {
      wanted = interpreter;
      const extension = await highlighting(interpreter);
      if (wanted === interpreter) view.dispatch({ effects: language.reconfigure(extension) });
    },
    focus: () => view.focus(),
  };
}
