// Taking a supplier's statement in: its CSV file, and which of its columns is what.
import { useNavigate } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { dayStart, type Field, filled, FormDialog, type Values } from './form';
import type { Option } from './parts';
import { headings, mappingOf } from './mapping';
import { once, type Schemas } from './queries';

export function ImportDialog({ suppliers, onClose }: { suppliers: readonly Schemas['Supplier'][]; onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [csv, setCsv] = useState('');
  const file = useRef<HTMLInputElement>(null);
  const columns: Option[] = [{ value: '', label: t('opBiz.noColumn') }, ...headings(csv).map((name) => ({ value: name, label: name }))];
  const column = (name: string, label: string): Field => ({ name, label, kind: 'select', options: columns });
  const send = async (values: Values) => {
    const body: Schemas['StatementImport'] = { csv, mapping: { ...mappingOf(values), from: dayStart(values.from) ?? '', to: dayStart(values.to) ?? '', ...filled(values, 'delimiter') } };
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
        { name: 'supplier', label: t('opBiz.by.supplier'), kind: 'select', options: suppliers.map(({ name }) => ({ value: name, label: name })) },
        { name: 'statement', label: t('opBiz.theirNumber'), required: true },
        { name: 'from', label: t('op.period.from'), kind: 'date', required: true },
        { name: 'to', label: t('opBiz.toExcluded'), kind: 'date', required: true },
        { name: 'currency', label: t('opBiz.currency'), required: true, value: suppliers[0]?.currency ?? 'CNY' },
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
      ]}
    >
      <p className="faint">{t('opBiz.importText')}</p>
      <label className="sheet-wide">
        <span className="sheet-label">{t('opBiz.file')}</span>
        <input ref={file} type="file" name="file" accept=".csv,text/csv,text/plain" required className="file" onChange={(event) => void event.target.files?.[0]?.text().then(setCsv)} />
      </label>
    </FormDialog>
  );
}
