import { describe, expect, test } from 'vitest';

import { csv, curvesOf, marks, rowsOf } from './csv';

test('what is written is read again', () => {
  const rows = [['a,b', 'say "so"', 'two\nlines'], ['', '1.5', '渠首']];
  expect(rowsOf(csv(rows), 10)).toEqual(rows);
});

test('a spreadsheet gets no formulas from names of jobs', () => {
  expect(csv([['=1+1', '-5', '-x', '@cmd', 12, null]])).toBe("'=1+1,-5,'-x,'@cmd,12,\r\n");
});

test('semicolons and tabs cut as well, empty lines count for nothing, rows are bounded', () => {
  expect(rowsOf('a;b\n1;2\n\n3;4', 10)).toEqual([['a', 'b'], ['1', '2'], ['3', '4']]);
  expect(rowsOf('a\tb\r\n1\t2\r\n', 10)).toEqual([['a', 'b'], ['1', '2']]);
  expect(rowsOf('1\n2\n3\n', 2)).toEqual([['1'], ['2']]);
});

describe('curves', () => {
  test('the first column is the axis where it rises', () => {
    expect(curvesOf(rowsOf('step,energy,name\n1,10,x\n2,9,y\n3,,z\n', 10), 6)).toEqual({
      x: { name: 'step', values: [1, 2, 3] },
      curves: [{ name: 'energy', values: [10, 9, undefined] }],
    });
  });
  test('else rows are counted', () => {
    expect(curvesOf([['3'], ['1'], ['2']], 6)).toEqual({ x: { name: '', values: [1, 2, 3] }, curves: [{ name: '1', values: [3, 1, 2] }] });
  });
  test('there are none in words', () => {
    expect(curvesOf([['a', 'b'], ['x', 'y'], ['z', 'w']], 6)).toBeUndefined();
    expect(curvesOf([['a'], ['1']], 6)).toBeUndefined();
  });
});

test('marks are round and within', () => {
  expect(marks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
  expect(marks(0.13, 0.29, 4)).toEqual([0.15, 0.2, 0.25]);
  expect(marks(5, 5, 4)).toEqual([5]);
});
