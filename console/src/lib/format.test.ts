// Numbers, money and times in both languages; nothing here depends on the machine's own locale or zone.
import { expect, test } from 'vitest';

import { localeOf, makeFormat } from './format';

const en = makeFormat('en', 'en-US', 'Asia/Shanghai');
const zh = makeFormat('zh', 'zh-CN', 'Asia/Shanghai');

test('the locale is the reader’s variety of the chosen language', () => {
  expect(localeOf('en', ['zh-CN', 'en-GB'])).toBe('en-GB');
  expect(localeOf('zh', ['en-GB'])).toBe('zh-CN');
  expect(localeOf('en', [])).toBe('en-US');
});

test.each([
  [0, '0 s', '0秒'],
  [0.14, '0.1 s', '0.1秒'],
  [59.4, '59 s', '59秒'],
  [59.6, '1 min', '1分'],
  [65, '1 min 5 s', '1分 5秒'],
  [3600, '1 h', '1小时'],
  [3605, '1 h', '1小时'],
  [93_600, '1 d 2 h', '1天 2小时'],
  [-65, '−1 min 5 s', '−1分 5秒'],
])('a span of %d seconds', (seconds, english, chinese) => {
  expect(en.span(seconds)).toBe(english);
  expect(zh.span(seconds)).toBe(chinese);
});

test.each([
  [0, '0 B'],
  [1023, '1,023 B'],
  [1024, '1 KiB'],
  [1.5 * 2 ** 30, '1.5 GiB'],
  [512 * 2 ** 30, '512 GiB'],
  [2 ** 60, '1,024 PiB'],
])('%d bytes', (bytes, text) => {
  expect(en.bytes(bytes)).toBe(text);
});

test('money keeps its digits: the text never becomes a binary fraction', () => {
  expect(en.money('12.5', 'CNY')).toBe('¥12.50');
  expect(en.money('0.0531', 'CNY')).toBe('¥0.0531');
  expect(en.money('0.000008', 'CNY')).toBe('¥0.000008');
  expect(en.money('0.00', 'CNY')).toBe('¥0.00');
  expect(en.money('9007199254740993.01', 'CNY')).toBe('¥9,007,199,254,740,993.01');
  expect(en.money('-3.20', 'EUR')).toBe('-€3.20');
  expect(zh.money('1104', 'CNY')).toBe('¥1,104.00');
  expect(en.moneyColumn('999.1234', 'CNY')).toBe('¥999.1234');
  expect(en.moneyColumn('-7849.7514', 'CNY')).toBe('-¥7,849.75');
  expect(en.moneyHead('-0.0933', 'CNY')).toBe('-¥0.09');
  expect(en.moneyHead('9999.5', 'CNY')).toBe('¥9,999.50');
  expect(en.moneyHead('-377814.21', 'CNY')).toBe('-¥377.8K');
  expect(zh.moneyHead('377814.21', 'CNY')).toBe('¥37.78万');
  expect(en.moneyShort('999.9999', 'CNY')).toBe('¥999.99');
  expect(en.moneyShort('-0.0001', 'CNY')).toBe('-¥0.01');
});

test('today is a clock time, another day has its date, in the given zone', () => {
  const now = Date.parse('2026-11-21T08:00:00Z');
  expect(en.time('2026-11-21T07:30:05Z', now)).toBe('15:30:05');
  expect(en.time('2026-11-20T15:59:00Z', now)).toContain('Nov 20');
  expect(en.time('2026-11-20T16:01:00Z', now)).toBe('00:01:00');
});

test('distances in time', () => {
  const now = Date.parse('2026-11-21T08:00:00Z');
  expect(en.ago('2026-11-21T07:55:00Z', now)).toBe('5 min. ago');
  expect(zh.ago('2026-11-21T08:43:00Z', now)).toBe('43分钟后');
});
