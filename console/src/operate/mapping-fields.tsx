// The fields of a supplier's mapping: which column is what, and behind a fold what few files need.
import { useTranslation } from 'react-i18next';

import { type Field, FieldLine } from './form';
import { BLANK, COLUMNS, UNITS } from './mapping';
import type { Option } from './parts';
import type { Heading } from './statement-file';

/** How the file begins, which decides what columns there are to choose from. */
export interface Start {
  skip: number;
  headless: boolean;
}

interface Props {
  columns: readonly Heading[];
  start: Start;
  onStart: (start: Start) => void;
}

export function MappingFields({ columns, start, onStart }: Props) {
  const { t } = useTranslation();
  const options: Option[] = [{ value: '', label: t('opBiz.noColumn') }, ...columns];
  const column = (name: string, label: string): Field => ({ name, label, kind: 'select', options });
  const named = (name: (typeof COLUMNS)[number]) => column(name, t(`opBiz.column.${name}`));
  const main: Field[] = [
    named('attempt'),
    named('job'),
    named('user'),
    named('amount'),
    named('start'),
    named('end'),
    column('quantity', t('opBiz.column.quantity')),
    { name: 'quantityUnit', label: t('opBiz.quantityUnit'), kind: 'select', options: UNITS.map((value) => ({ value, label: t(`opBiz.meter.${value}`) })) },
    { name: 'timeFormat', label: t('opBiz.timeFormat'), hint: t('opBiz.timeFormatHint') },
    { name: 'offset', label: t('opBiz.offset'), value: '+08:00', hint: t('opBiz.offsetHint') },
    { name: 'tolerance', label: t('opBiz.tolerance'), kind: 'money', value: '0.01' },
    { name: 'perMille', label: t('opBiz.perMille'), kind: 'number', value: '5' },
  ];
  const marks = (...of: [string, string][]): Option[] => of.map(([value, label]) => ({ value, label }));
  const rare: Field[] = [
    column('skipColumn', t('opBiz.skipColumn')),
    { name: 'skipText', label: t('opBiz.skipText') },
    named('price'),
    named('cluster'),
    { name: 'decimal', label: t('opBiz.decimal'), kind: 'select', options: marks(['.', '1234.50'], [',', '1234,50']) },
    { name: 'thousands', label: t('opBiz.thousands'), kind: 'select', options: marks(['', '1234567'], [',', '1,234,567'], ['.', '1.234.567'], [BLANK, '1 234 567'], ["'", "1'234'567"]) },
    { name: 'strip', label: t('opBiz.strip'), hint: '¥ 元' },
    named('kind'),
    { name: 'minimumWord', label: t('opBiz.minimumWord') },
    { name: 'allMinimum', label: t('opBiz.allMinimum'), kind: 'check' },
    { name: 'negative', label: t('opBiz.negative'), kind: 'check' },
    { name: 'users', label: t('opBiz.users'), kind: 'area', hint: t('opBiz.usersHint') },
  ];
  return (
    <>
      <div className="sheet-fields">
        {main.map((field) => (
          <FieldLine key={field.name} field={field} />
        ))}
      </div>
      <details className="sheet-fold">
        <summary>{t('opBiz.fileMore')}</summary>
        <div className="sheet-fields">
          <label>
            <span className="sheet-label">{t('opBiz.skipFirst')}</span>
            <input name="skipFirst" type="number" min={0} max={1000} className="field" value={start.skip} onChange={(event) => onStart({ ...start, skip: Math.max(0, event.target.valueAsNumber || 0) })} />
          </label>
          <FieldLine field={{ name: 'skipLast', label: t('opBiz.skipLast'), kind: 'number', value: '0' }} />
          <label className="sheet-check">
            <input type="checkbox" name="headless" value="1" checked={start.headless} onChange={(event) => onStart({ ...start, headless: event.target.checked })} /> {t('opBiz.headless')}
          </label>
          {rare.map((field) => (
            <FieldLine key={field.name} field={field} />
          ))}
        </div>
      </details>
      <div className="sheet-fields">
        <FieldLine field={{ name: 'keep', label: t('opBiz.keepMapping'), kind: 'check', value: '1' }} />
      </div>
    </>
  );
}
