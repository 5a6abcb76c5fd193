/** Light, dark, or as the system has it. */
import { button } from "./dom.ts";
import type { Theme } from "./settings.ts";

const NEXT: Readonly<Record<Theme, Theme>> = { auto: "light", light: "dark", dark: "auto" };
const SIGNS: Readonly<Record<Theme, string>> = { auto: "◐", light: "☀", dark: "☾" };
const WORDS: Readonly<Record<Theme, string>> = {
  auto: "as the system",
  light: "light",
  dark: "dark",
};

export function armTheme(current: () => Theme, onChange: (theme: Theme) => void): void {
  const toggle = button("theme");
  const show = () => {
    const theme = current();
    document.documentElement.dataset["theme"] = theme;
    toggle.textContent = SIGNS[theme];
    toggle.setAttribute("aria-label", `Colours: ${WORDS[theme]}`);
    toggle.title = `Colours: ${WORDS[theme]}`;
  };
  toggle.addEventListener("click", () => {
    onChange(NEXT[current()]);
    show();
  });
  show();
}
