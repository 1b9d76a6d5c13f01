// Storage, traffic, requests and tokens of one statement: by project, unit, model and kind.
import { useTranslation } from 'react-i18next';

import type { StatementDetail } from '../../api/types';
import { micros } from '../../lib/decimal';
import { useFormat } from '../../ui/hooks';
import { Section } from '../../ui/parts';
import { type Column, DataTable } from '../../ui/table';

type Used = NonNullable<StatementDetail['usage']>[number];

export function StatementUsage({ usage, currency }: { usage: readonly Used[]; currency: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (usage.length === 0) return null;
  const what = (one: Used) => [one.model, one.kind, one.label, one.late && t('statement.late')].filter(Boolean).join(' · ');
  const columns: (Column<Used> | false)[] = [
    { key: 'unit', title: t('spend.unit'), card: 'head', cell: (one) => t(`opBiz.priceUnit.${one.unit}`) },
    { key: 'what', title: t('statement.what'), cell: what },
    { key: 'project', title: t('job.project'), cell: (one) => one.project },
    { key: 'quantity', title: t('spend.quantity'), align: 'right', cell: (one) => format.number(Number(one.quantity), 3) },
    { key: 'charges', title: t('statement.charges'), align: 'right', cell: (one) => format.money(one.charges, currency) },
    usage.some((one) => micros(one.credits) !== 0n) && { key: 'credits', title: t('statement.grants'), align: 'right', cell: (one) => (micros(one.credits) === 0n ? null : format.money(one.credits, currency)) },
    { key: 'due', title: t('statement.due'), align: 'right', card: 'head-end', cell: (one) => <strong>{format.money(one.due, currency)}</strong> },
  ];
  return (
    <Section title={t('spend.usage')} flush>
      <DataTable caption={t('spend.usage')} columns={columns} rows={usage} rowKey={(one) => [one.project, one.unit, one.model, one.kind, one.label, one.late].join(' ')} />
    </Section>
  );
}
