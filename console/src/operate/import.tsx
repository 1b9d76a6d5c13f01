// Taking a supplier's statement in: its CSV file, and which of its columns is what, unless that was kept with an earlier one.
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { dayStart, type Field, FormDialog, type Values } from './form';
import type { Option } from './parts';
import { headings, mappingOf, separator } from './mapping';
import { once, type Schemas } from './queries';

export function ImportDialog({ suppliers, onClose }: { suppliers: readonly Schemas['Supplier'][]; onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [csv, setCsv] = useState('');
  const [supplier, setSupplier] = useState(suppliers[0]);
  const [anew, setAnew] = useState(false);
  const keptWith = anew ? undefined : supplier?.mapping_of;
  const columns: Option[] = [{ value: '', label: t('opBiz.noColumn') }, ...headings(csv).map((name) => ({ value: name, label: name }))];
  const column = (name: string, label: string): Field => ({ name, label, kind: 'select', options: columns });
  const columnFields: Field[] = [
    { name: 'offset', label: t('opBiz.offset'), value: '+08:00' },
    column('attempt', t('opBiz.column.attempt')),
    column('job', t('opBiz.column.job')),
    column('user', t('opBiz.column.user')),
    column('amount', t('opBiz.column.amount')),
    column('start', t('opBiz.column.start')),
    column('end', t('opBiz.column.end')),
    column('quantity', t('opBiz.column.quantity')),
    { name: 'quantityUnit', label: t('opBiz.quantityUnit'), kind: 'select', options: (['card_hours', 'core_hours', 'node_hours', 'card_seconds', 'core_seconds'] as const).map((value) => ({ value, label: t(`opBiz.meter.${value}`) })) },
    { name: 'tolerance', label: t('opBiz.tolerance'), kind: 'money', value: '0.01' },
    { name: 'perMille', label: t('opBiz.perMille'), kind: 'number', value: '5' },
    { name: 'keep', label: t('opBiz.keepMapping'), kind: 'check', value: '1' },
  ];
  const send = async (values: Values) => {
    const name = supplier?.name ?? '';
    const mapping = keptWith == null ? { ...mappingOf(values), currency: supplier?.currency ?? '', delimiter: separator(csv) } : (await unwrap(api.GET('/v1/suppliers/{supplier}/mapping', { params: { path: { supplier: name } } }))).mapping;
    const of = { supplier: name, statement: values.statement ?? '', from: dayStart(values.from) ?? '', to: dayStart(values.to) ?? '' };
    const body: Schemas['StatementImport'] = { csv, mapping: { ...mapping, ...of }, keep: Boolean(values.keep) };
    const settlement = await unwrap(api.POST('/v1/settlements', { params: { header: once() }, body }));
    await navigate({ to: '/operate/business/settlements/$settlement', params: { settlement: String(settlement.number) } });
  };
  return (
    <FormDialog
      title={t('opBiz.import')}
      act={t('opBiz.importGo')}
      onClose={onClose}
      send={send}
      fields={[
        { name: 'statement', label: t('opBiz.theirNumber'), required: true, wide: true },
        { name: 'from', label: t('op.period.from'), kind: 'date', required: true },
        { name: 'to', label: t('opBiz.toExcluded'), kind: 'date', required: true },
        ...(keptWith == null ? columnFields : []),
      ]}
    >
      <p className="faint">{t('opBiz.importText')}</p>
      <div className="sheet-fields">
        <label>
          <span className="sheet-label">{t('opBiz.by.supplier')}</span>
          <select className="field" name="supplier" value={supplier?.name} onChange={(event) => setSupplier(suppliers.find(({ name }) => name === event.target.value))}>
            {suppliers.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          <span className="sheet-label">{t('opBiz.file')}</span>
          <input type="file" name="file" accept=".csv,text/csv,text/plain" required className="file" onChange={(event) => void event.target.files?.[0]?.text().then(setCsv)} />
        </label>
        {supplier?.mapping_of != null && (
          <label className="sheet-check">
            <input type="checkbox" name="asKept" checked={!anew} onChange={(event) => setAnew(!event.target.checked)} /> {t('opBiz.asKept', { number: supplier.mapping_of })}
          </label>
        )}
      </div>
    </FormDialog>
  );
}
