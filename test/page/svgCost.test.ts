import assert from "node:assert/strict";
import { test } from "node:test";
import { isCostly } from "../../web/src/svgCost.ts";

const svg = (inside: string) => `<?xml version="1.0"?><!-- <a --><svg xmlns="x">${inside}</svg>`;

/** `ways` times each of the one before, `deep` times over. */
function nested(ways: number, deep: number, use: (id: string) => string): string {
  const groups = Array.from(
    { length: deep },
    (_, level) => `<g id="a${level + 1}">${use(`a${level}`).repeat(ways)}</g>`,
  );
  return svg(`<defs><g id="a0"><rect/></g>${groups.join("")}</defs>${use(`a${deep}`)}`);
}

test("pictures as programs draw them are cheap", () => {
  const glyphs = '<use xlink:href="#DejaVuSans-30" x="1"/>'.repeat(3000);
  const sheet = '<style type="text/css">*{stroke-linejoin: round}</style>';
  const plot = `${sheet}<defs><path id="DejaVuSans-30" d="M 2 > 1"/><clipPath id="p"><rect/></clipPath></defs>
    <g clip-path="url(#p)">${"<path d='M0 0'/>".repeat(5000)}</g>${glyphs}<image href="data:image/png;base64,AA=="/>`;
  assert.equal(isCostly(svg(plot)), false);
  assert.equal(isCostly(nested(10, 4, (id) => `<use href="#${id}"/>`)), false);
});

test("parts that repeat each other without end are costly, whatever they repeat with", () => {
  for (const use of [
    (id: string) => `<use href="#${id}"/>`,
    (id: string) => `<x:use xlink:href = ' #${id} '></x:use>`,
    (id: string) => `<rect fill="url(#${id})"/>`,
    (id: string) => `<rect style="mask: url( '#${id}' )"/>`,
  ])
    assert.equal(isCostly(nested(10, 11, use)), true, use("a"));
});

test("what cannot be followed is taken for costly", () => {
  for (const inside of [
    '<use href="&#35;a"/>',
    "<style>rect { fill: url(#a) }</style>",
    '<image href="data:image/svg+xml,%3Csvg"/>',
    "<g",
    '<g a=">',
    "<!-- never closed",
  ])
    assert.equal(isCostly(svg(inside)), true, inside);
  assert.equal(isCostly('<!DOCTYPE svg [<!ENTITY a "aa">]><svg/>'), true);
});

test("a part that draws itself costs nothing, and two megabytes of anything are read in one pass", () => {
  assert.equal(isCostly(svg('<g id="a"><use href="#a"/></g>')), false);
  for (const text of [
    "<style>",
    "<style></style>",
    "<",
    '<a "',
    "<!--",
    "<a id='x' b=",
    "url(#",
    '="#'.repeat(2),
  ])
    assert.equal(typeof isCostly(text.repeat(2_000_000 / text.length)), "boolean");
});
