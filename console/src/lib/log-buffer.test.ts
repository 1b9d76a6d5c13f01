// The kept part of an output: nothing lost below the limit, the oldest gone above it, offsets in bytes.
import { describe, expect, test } from 'vitest';

import { append, emptyLog, LOG_CHARS_MAX, prepend, settle, wholeText } from './log-buffer';

const line = (i: number) => `${String(i).padStart(6, '0')} the quick brown fox jumps over the lazy dog\n`;

describe('the log buffer', () => {
  test('keeps pieces of any size in order', () => {
    const text = Array.from({ length: 3000 }, (_, i) => line(i)).join('');
    for (const step of [7, 100, 4096, 50_000, text.length]) {
      let log = emptyLog();
      for (let i = 0; i < text.length; i += step) log = append(log, text.slice(i, i + step));
      expect(wholeText(log)).toBe(text);
      expect(log.chars).toBe(text.length);
      expect(new Set(log.blocks.map((b) => b.key)).size).toBe(log.blocks.length);
      expect(log.blocks.length).toBeLessThan(20);
    }
  });

  test('gives up the oldest past the limit and counts the bytes it gave up', () => {
    let log = emptyLog();
    let sent = '';
    for (let i = 0; i < 4000; i++) {
      const text = `第 ${line(i)}`;
      sent += text;
      log = append(log, text, 60_000);
    }
    const kept = wholeText(log);
    expect(kept.length).toBeLessThanOrEqual(60_000);
    expect(sent.endsWith(kept)).toBe(true);
    expect(log.from).toBe(new TextEncoder().encode(sent).length - new TextEncoder().encode(kept).length);
  });

  test('leaves full blocks as they are, so that only the last is drawn again', () => {
    const before = append(emptyLog(), Array.from({ length: 2000 }, (_, i) => line(i)).join(''));
    const after = append(before, 'one more\n');
    expect(after.blocks.slice(0, before.blocks.length - 1)).toEqual(before.blocks.slice(0, -1));
    expect(after.blocks[0]).toBe(before.blocks[0]);
  });

  test('is bounded even by one endless line', () => {
    let log = emptyLog();
    for (let i = 0; i < 100; i++) log = append(log, 'x'.repeat(100_000));
    expect(log.chars).toBeLessThanOrEqual(LOG_CHARS_MAX);
    expect(log.chars + log.from).toBe(10_000_000);
  });

  test('takes earlier output before the rest', () => {
    const log = prepend(append(emptyLog(100), 'later\n'), 'earlier\n', 92);
    expect(wholeText(log)).toBe('earlier\nlater\n');
    expect(log.from).toBe(92);
  });
});

test.each([
  ['plain\ntext\n', 'plain\ntext\n'],
  ['10%\r20%\r100%\ndone', '100%\ndone'],
  ['dos\r\nlines\r\n', 'dos\nlines\n'],
  ['still 42%\r', 'still 42%\r'],
  ['\u001b[1;31mred\u001b[0m and \u001b]0;title\u0007plain', 'red and plain'],
])('%j settles', (raw, text) => {
  expect(settle(raw)).toBe(text);
});
