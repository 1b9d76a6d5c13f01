// What a tenant was told month by month; each is a link to the whole.
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Button } from 'antd';
import { useTranslation } from 'react-i18next';

import { statementsQuery } from '../../api/money';
import type { Statement } from '../../api/types';
import { useFormat } from '../../ui/hooks';
import { Empty, Section } from '../../ui/parts';
import { type Column, DataTable } from '../../ui/table';
import { Listed, MoneyFrame, useMe } from './frame';

export function StatementsPage() {
  const { t } = useTranslation();
  const tenant = useMe()?.tenant ?? '';
  const statements = useInfiniteQuery(statementsQuery(tenant));
  const items = statements.data && { items: statements.data.pages.flatMap((page) => page.items) };
  const none = (
    <Empty title={t('statement.noneTitle')}>
      <p>{t('statement.noneText')}</p>
      <Link to="/money/spend">{t('money.spend')}</Link>
    </Empty>
  );
  return (
    <MoneyFrame title={t('money.statements')}>
      <Section flush>
        <Listed query={{ ...statements, data: items }} none={none} lines={6}>
          {(rows) => <StatementTable statements={rows} />}
        </Listed>
      </Section>
      {statements.hasNextPage && (
        <div className="pager">
          <Button loading={statements.isFetchingNextPage} onClick={() => void statements.fetchNextPage()}>
            {t('statement.more')}
          </Button>
        </div>
      )}
    </MoneyFrame>
  );
}

function StatementTable({ statements }: { statements: Statement[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const money = (text: string, one: Statement) => format.money(text, one.currency);
  const columns: Column<Statement>[] = [
    {
      key: 'month',
      title: t('statement.month'),
      card: 'head',
      cell: (one) => (
        <Link to="/money/statements/$statement" params={{ statement: String(one.number) }} className="row-link">
          {one.month}
        </Link>
      ),
    },
    { key: 'name', title: t('statement.number'), card: 'head', cell: (one) => <span className="mono faint">{one.name}</span> },
    { key: 'charges', title: t('statement.charges'), align: 'right', cell: (one) => money(one.charges, one) },
    { key: 'fees', title: t('statement.fees'), align: 'right', cell: (one) => money(one.fees, one) },
    { key: 'topUps', title: t('statement.topUps'), align: 'right', cell: (one) => money(one.top_ups, one) },
    { key: 'closing', title: t('statement.closing'), align: 'right', cell: (one) => money(one.closing, one) },
    { key: 'invoice', title: t('statement.invoice'), cell: (one) => one.invoice },
    { key: 'due', title: t('statement.due'), align: 'right', card: 'head-end', cell: (one) => <strong>{money(one.due, one)}</strong> },
  ];
  return <DataTable caption={t('money.statements')} columns={columns} rows={statements} rowKey={(one) => String(one.number)} rowClass={() => 'is-link'} />;
}
