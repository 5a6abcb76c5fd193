/** Tables out of CSV and TSV (RFC 4180), as much of them as a preview shows. */

const MOST_ROWS = 200;
const MOST_COLUMNS = 40;

export interface Table {
  readonly rows: readonly (readonly string[])[];
  readonly isCut: boolean;
}

export function readTable(text: string, separator: "," | "\t"): Table {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = "";
  let quoted = false;
  let isCut = false;
  const endField = () => {
    if (row.length < MOST_COLUMNS) row.push(field);
    else isCut = true;
    field = "";
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (quoted) {
      if (character !== '"') field += character;
      else if (text[at + 1] === '"') {
        field += '"';
        at += 1;
      } else quoted = false;
    } else if (character === '"' && field === "") quoted = true;
    else if (character === separator) endField();
    else if (character === "\n") {
      endField();
      rows.push(row);
      row = [];
      if (rows.length === MOST_ROWS) return { rows, isCut: isCut || at + 1 < text.length };
    } else if (character !== "\r") field += character;
  }
  if (field !== "" || row.length > 0) {
    endField();
    rows.push(row);
  }
  return { rows, isCut };
}
