// Every text exists in both languages and is used; no text a reader meets is written into a component.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

import { en, zh } from './catalogue';

const SRC = new URL('..', import.meta.url).pathname;
const files = (readdirSync(SRC, { recursive: true }) as string[])
  .filter((name) => /\.tsx?$/.test(name) && !/\.test\.tsx?$|\.d\.ts$/.test(name))
  .map((name) => ({ name, text: readFileSync(join(SRC, name), 'utf8') }));

type Tree = { [key: string]: string | Tree };
const flat = (tree: Tree, path = ''): [string, string][] =>
  Object.entries(tree).flatMap(([key, value]) => (typeof value === 'string' ? [[path + key, value] as [string, string]] : flat(value, `${path}${key}.`)));
const singular = (key: string) => key.replace(/_(one|other)$/, '');
const texts = { en: flat(en), zh: flat(zh) };
const keys = { en: new Set(texts.en.map(([key]) => singular(key))), zh: new Set(texts.zh.map(([key]) => singular(key))) };
const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]).sort().join();

/** Keys that code names in whole, and beginnings of keys that it completes with a word of the API. */
function used() {
  const whole = new Set<string>();
  const begun = new Set<string>();
  for (const { text } of files) {
    for (const [, key] of text.matchAll(/\bt\(\s*'([\w.]+)'/g)) whole.add(key as string);
    for (const [, key] of text.matchAll(/\bt\(\s*`([\w.]+)\$\{/g)) begun.add(key as string);
    for (const [, key] of text.matchAll(/[?:]\s*t\('([\w.]+)'/g)) whole.add(key as string);
  }
  return { whole, begun };
}

describe('the catalogue', () => {
  test('has the same keys in both languages', () => {
    expect([...keys.en].filter((key) => !keys.zh.has(key))).toEqual([]);
    expect([...keys.zh].filter((key) => !keys.en.has(key))).toEqual([]);
  });

  test('has each section in one file', () => {
    const sections = (readdirSync(join(SRC, 'i18n'), { recursive: true }) as string[])
      .filter((name) => name.endsWith('.json'))
      .flatMap((name) => Object.keys(JSON.parse(readFileSync(join(SRC, 'i18n', name), 'utf8')) as object).map((key) => `${name.split('/')[0]} ${key}`));
    expect(sections.filter((section, at) => sections.indexOf(section) !== at)).toEqual([]);
    expect(sections.length).toBe(Object.keys(en).length + Object.keys(zh).length);
  });

  test('has no empty text, and Chinese in the Chinese part', () => {
    expect([...texts.en, ...texts.zh].filter(([, text]) => text.trim() === '')).toEqual([]);
    // Texts that are no words of a language: names, keys to press, samples, the other language's own name.
    const neutral = new Set(['top.language', 'top.languageHint', 'submit.placeholder', 'submit.goHint', 'job.by', 'pools.perGib', 'units.cards', 'home.more', 'account.english', 'bulk.act', 'statement.taxText', 'notices.ended']);
    expect(texts.zh.filter(([key, text]) => !neutral.has(singular(key)) && !/\p{Script=Han}/u.test(text))).toEqual([]);
    const han = new Set(['brand', 'top.language', 'top.languageHint', 'account.chinese']);
    expect(texts.en.filter(([key, text]) => !han.has(key) && /\p{Script=Han}/u.test(text))).toEqual([]);
  });

  test('fills the same places in both languages', () => {
    const chinese = new Map(texts.zh.map(([key, text]) => [singular(key), placeholders(text)]));
    const differing = texts.en.filter(([key, text]) => chinese.get(singular(key)) !== placeholders(text) && !key.endsWith('_one'));
    // "by lin" and "lin" name the same person; nothing else may differ.
    expect(differing).toEqual([]);
  });

  test('has every key that code asks for', () => {
    const { whole, begun } = used();
    expect(whole.size).toBeGreaterThan(100);
    expect([...whole].filter((key) => !keys.en.has(key))).toEqual([]);
    expect([...begun].filter((key) => ![...keys.en].some((k) => k.startsWith(key)))).toEqual([]);
  });

  test('has no key that nothing asks for', () => {
    const { whole, begun } = used();
    expect([...keys.en].filter((key) => !whole.has(key) && ![...begun].some((b) => key.startsWith(b)))).toEqual([]);
  });
});

/** Attributes whose text a reader meets. */
const SPOKEN = new Set(['title', 'placeholder', 'aria-label', 'label', 'alt', 'okText', 'cancelText', 'description', 'caption']);
const LETTERS = /\p{L}{2,}/u;

/** Texts written into JSX instead of the catalogue. */
export function hardCoded(name: string, source: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node) && LETTERS.test(node.text)) found.push(node.text.trim());
    if (ts.isJsxAttribute(node) && SPOKEN.has(node.name.getText()) && node.initializer && ts.isStringLiteral(node.initializer) && LETTERS.test(node.initializer.text)) {
      found.push(`${node.name.getText()}="${node.initializer.text}"`);
    }
    if (ts.isJsxExpression(node) && node.expression && (ts.isJsxElement(node.parent) || ts.isJsxFragment(node.parent))) {
      const { expression } = node;
      if (ts.isStringLiteralLike(expression) && LETTERS.test(expression.text)) found.push(expression.text);
      if (ts.isTemplateExpression(expression)) {
        const parts = [expression.head.text, ...expression.templateSpans.map((span) => span.literal.text)];
        found.push(...parts.filter((part) => LETTERS.test(part)));
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX));
  return found;
}

describe('components', () => {
  test('carry no text of their own', () => {
    const found = files.filter(({ name }) => name.endsWith('.tsx')).flatMap(({ name, text }) => hardCoded(name, text).map((part) => `${name}: ${part}`));
    expect(found).toEqual([]);
  });

  test('would be caught with one', () => {
    expect(hardCoded('a.tsx', "const a = <p title='a name'>Some text {'more'} {`and ${b} this`}</p>")).toEqual(['title="a name"', 'Some text', 'more', 'and ', ' this']);
    expect(hardCoded('a.tsx', '<p className="some name">{t("a.b")} · {`${x} › ${y}`}</p>')).toEqual([]);
  });
});
