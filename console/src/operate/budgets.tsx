// Budgets of a tenant: what was spent of each in its present period, and the forms that set and remove them.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { ActButton, dayStart, filled, FormDialog } from './form';
import { Amount, Answer, Bar, Tag } from './parts';
import { once, q, type Schemas } from './queries';

type Row = Schemas['Budget'];
const PERIODS = ['month', 'quarter', 'year', 'once'] as const;

export function Budgets({ tenant, mayChange }: { tenant: string; mayChange: boolean }) {
  const { t } = useTranslation();
  const budgets = useQuery(q.budgets(tenant));
  const columns: (Column<Row> | false)[] = [
    { key: 'for', title: t('opPeople.for'), card: 'head', cell: (row) => [row.project, row.user].filter(Boolean).join(' · ') || t('opPeople.allWork') },
    { key: 'kind', title: t('opPeople.kind'), card: 'head-end', cell: (row) => <Tag tone={row.kind === 'hard' ? 'bad' : 'wait'}>{t(`opPeople.budgetKind.${row.kind}`)}</Tag> },
    { key: 'period', title: t('op.period.label'), cell: (row) => t(`opPeople.budgetPeriod.${row.period}`) },
    { key: 'amount', title: t('opPeople.amount'), align: 'right', cell: (row) => <Amount value={row.amount} currency={row.currency} /> },
    { key: 'spent', title: t('opPeople.spent'), align: 'right', cell: (row) => <Bar value={row.spent} of={row.amount}><Amount value={row.spent} currency={row.currency} /></Bar> },
    { key: 'left', title: t('opPeople.left'), align: 'right', cell: (row) => <Amount value={row.left} currency={row.currency} /> },
    mayChange && { key: 'act', title: '', align: 'right', cell: (row) => <Remove tenant={tenant} budget={row.number} /> },
  ];
  return (
    <Section title={t('opPeople.budgets')} flush aside={mayChange && <ActButton words={t('opPeople.setBudget')} small>{(close) => <BudgetDialog tenant={tenant} onClose={close} />}</ActButton>}>
      <Answer query={budgets} lines={2}>{(page) => (page.items.length === 0 ? <p className="pad faint">{t('opPeople.noBudgets')}</p> : <DataTable columns={columns} rows={page.items} rowKey={(row) => String(row.number)} caption={t('opPeople.budgets')} />)}</Answer>
    </Section>
  );
}

function Remove({ tenant, budget }: { tenant: string; budget: number }) {
  const { t } = useTranslation();
  return (
    <ActButton words={t('opPeople.remove')} small>
      {(close) => (
        <FormDialog title={t('opPeople.removeBudget')} act={t('opPeople.remove')} danger onClose={close} fields={[]} send={() => unwrap(api.DELETE('/v1/tenants/{tenant}/budgets/{budget}', { params: { path: { tenant, budget: budget as never } } }))}>
          <p>{t('opPeople.removeBudgetText')}</p>
        </FormDialog>
      )}
    </ActButton>
  );
}

function BudgetDialog({ tenant, onClose }: { tenant: string; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <FormDialog
      title={t('opPeople.setBudget')}
      act={t('opPeople.save')}
      onClose={onClose}
      fields={[
        { name: 'amount', label: t('opPeople.amount'), kind: 'money', required: true },
        { name: 'kind', label: t('opPeople.kind'), kind: 'select', options: (['soft', 'hard'] as const).map((value) => ({ value, label: t(`opPeople.budgetKind.${value}`) })) },
        { name: 'period', label: t('op.period.label'), kind: 'select', options: PERIODS.map((value) => ({ value, label: t(`opPeople.budgetPeriod.${value}`) })) },
        { name: 'project', label: t('opPeople.project') },
        { name: 'user', label: t('opPeople.user') },
        { name: 'to', label: t('opPeople.until'), kind: 'date', hint: t('opPeople.onceHint') },
      ]}
      send={(values) =>
        unwrap(
          api.POST('/v1/tenants/{tenant}/budgets', {
            params: { path: { tenant }, header: once() },
            body: { amount: values.amount ?? '', kind: values.kind === 'hard' ? 'hard' : 'soft', period: values.period as Schemas['BudgetPeriod'], ...filled(values, 'project', 'user'), ...(values.to ? { to: dayStart(values.to) } : {}) },
          }),
        )
      }
    />
  );
}
