// What storage, traffic, requests and tokens came to since a moment: by unit, with what contracts include and grants paid.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { usageQuery } from '../../api/money';
import type { UsageSum } from '../../api/types';
import { useFormat } from '../../ui/hooks';
import { Section } from '../../ui/parts';
import { type Column, DataTable } from '../../ui/table';
import { useMe } from './frame';

export function UsageSums({ from }: { from: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const sums = useQuery(usageQuery(useMe()?.tenant ?? '', from)).data?.items ?? [];
  // Most tenants have none of it, and where there is nothing there is nothing to say.
  if (sums.length === 0) return null;
  const amount = (pick: (row: UsageSum) => string) => (row: UsageSum) => (Number(pick(row)) === 0 ? null : format.money(pick(row), row.currency));
  const count = (pick: (row: UsageSum) => string) => (row: UsageSum) => (Number(pick(row)) === 0 ? null : format.number(Number(pick(row)), 3));
  const columns: Column<UsageSum>[] = [
    { key: 'unit', title: t('spend.unit'), card: 'head', cell: (row) => [t(`opBiz.priceUnit.${row.unit}`), row.model, row.kind].filter(Boolean).join(' · ') },
    { key: 'quantity', title: t('spend.quantity'), align: 'right', cell: count((row) => row.quantity) },
    { key: 'included', title: t('spend.included'), align: 'right', cell: count((row) => row.included_quantity) },
    { key: 'credited', title: t('cost.credited'), align: 'right', cell: amount((row) => row.credited) },
    { key: 'charge', title: t('spend.charge'), align: 'right', card: 'head-end', cell: (row) => format.money(row.charge, row.currency) },
  ];
  return (
    <div className="usage-sums">
      <Section title={t('spend.usage')} flush>
        <DataTable columns={columns} rows={sums} rowKey={(row) => [row.unit, row.model, row.kind].join(' ')} caption={t('spend.usage')} />
      </Section>
    </div>
  );
}
