import { describe, expect, test } from 'vitest';

import { mappingOf } from './mapping';
import { dayAt } from './period';
import { decoded, headings, separator } from './statement-file';

const names = (csv: string, skip?: number) => headings(csv, skip).map(({ value }) => value);
const bytes = (...all: number[]) => new Uint8Array(all).buffer;

describe('a supplier\'s file', () => {
  test('has the headings of its first line, or of that after what is skipped', () => {
    expect(names('\uFEFF"Job; no";core hours;net\r\n1;2;3')).toEqual(['Job; no', 'core hours', 'net']);
    expect(names('Harbour, October\n\njob;net\n1;2', 2)).toEqual(['job', 'net']);
    expect(separator('a\tb\tc,d')).toBe('\t');
    expect(separator('one, two, three\njob;net', 1)).toBe(';');
    expect(headings('')).toEqual([]);
    expect(headings('a,b', 7)).toEqual([]);
  });
  test('without headings has numbered columns that show what is in them', () => {
    expect(headings('17,,"2,50"\n', 0, false)).toEqual([{ value: '#1', label: '#1 17' }, { value: '#2', label: '#2' }, { value: '#3', label: '#3 2,50' }]);
  });
  test('is read as UTF-8, and else as what spreadsheets of China write', () => {
    expect(decoded(bytes(0xef, 0xbb, 0xbf, 0xe9, 0x87, 0x91))).toEqual({ text: '金', encoding: 'UTF-8' });
    expect(decoded(bytes(0xbd, 0xf0, 0xb6, 0xee))).toEqual({ text: '金额', encoding: 'GB 18030' });
    expect(decoded(bytes(0xff, 0xfe, 0xd1, 0x91))).toEqual({ text: '金', encoding: 'UTF-16' });
  });
});

describe('a mapping', () => {
  test('says the columns that were chosen and leaves the rest to the server', () => {
    expect(mappingOf({ attempt: 'id', amount: 'net', job: '', quantity: 'h', quantityUnit: 'core_hours', tolerance: '0.1', perMille: '5', offset: '', skipFirst: '0', skipLast: '0', decimal: '.', thousands: '' })).toEqual({
      columns: { attempt: 'id', amount: 'net', quantity: { core_hours: 'h' } }, tolerance: { amount: '0.1', per_mille: 5 },
    });
  });
  test('says what is no line, what lines are about, and how numbers and times are written', () => {
    const values = {
      job: '作业号', amount: '金额', kind: '类别', minimumWord: '最低采购差额', skipFirst: '2', skipLast: '1', skipColumn: '状态', skipText: '作废', headless: '',
      decimal: ',', thousands: 'blank', strip: '¥ 元', timeFormat: 'YYYY/MM/DD hh:mm:ss', offset: '+08:00', negative: '1', users: 'hwsvc = *\n\nwang=anna\nnobody',
    };
    expect(mappingOf(values)).toEqual({
      columns: { job: '作业号', amount: '金额', kind: '类别' },
      tolerance: { amount: '0', per_mille: 0 },
      skip_first: 2, skip_last: 1, skip: [{ column: '状态', text: '作废' }],
      kinds: { 最低采购差额: 'minimum' },
      numbers: { decimal: ',', thousands: ' ', strip: ['¥', '元'] },
      times: { format: 'YYYY/MM/DD hh:mm:ss', offset: '+08:00' },
      negative: true,
      users: { hwsvc: '*', wang: 'anna' },
    });
    expect(mappingOf({ amount: '#2', headless: '1', allMinimum: '1' })).toMatchObject({ headings: false, kind: 'minimum' });
  });
  test('begins its period where the supplier does', () => {
    expect([dayAt('2026-10-01', '+08:00'), dayAt('2026-10-01', ''), dayAt(undefined, '')]).toEqual(['2026-10-01T00:00:00+08:00', '2026-10-01T00:00:00Z', '']);
  });
});
