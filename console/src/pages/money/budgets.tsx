// Budgets with what was spent of them; owners set and remove them here.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Popconfirm } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../../api/client';
import { budgetsQuery } from '../../api/money';
import { asProblem } from '../../api/problem';
import type { Budget } from '../../api/types';
import { part } from '../../lib/decimal';
import { useFormat } from '../../ui/hooks';
import { Section } from '../../ui/parts';
import { BudgetForm } from './budget-form';
import { Listed } from './frame';

export function Budgets({ tenant, owner }: { tenant: string; owner: boolean }) {
  const { t } = useTranslation();
  const budgets = useQuery(budgetsQuery(tenant));
  const [edited, setEdited] = useState<Budget | 'new'>();
  const aside = owner && (
    <Button size="small" onClick={() => setEdited('new')}>
      {t('budget.set')}
    </Button>
  );
  return (
    <Section title={t('budget.title')} aside={aside}>
      <Listed query={budgets} none={<p className="faint">{owner ? t('budget.noneOwner') : t('budget.none')}</p>}>
        {(items) => (
          <ul className="rows">
            {items.map((budget) => (
              <BudgetRow key={budget.number} tenant={tenant} budget={budget} onChange={owner ? () => setEdited(budget) : undefined} />
            ))}
          </ul>
        )}
      </Listed>
      {edited && <BudgetForm tenant={tenant} budget={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}
    </Section>
  );
}

function BudgetRow({ tenant, budget, onChange }: { tenant: string; budget: Budget; onChange: (() => void) | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const money = (text: string) => format.money(text, budget.currency);
  const over = budget.left.startsWith('-');
  const used = part(budget.spent, budget.amount);
  const warned = over || used >= 0.8;
  const whose = [budget.project && `${t('job.project')} ${budget.project}`, budget.user && `${t('job.user')} ${budget.user}`].filter(Boolean).join(' · ');
  const tone = over ? 'meter-used meter-over' : warned ? 'meter-used meter-near' : 'meter-used';
  return (
    <li className="row">
      <div className="row-head">
        <strong>{whose || t('budget.all')}</strong>
        <span className="chip">{t(`budgetPeriod.${budget.period}`)}</span>
        <span className={budget.kind === 'hard' ? 'chip chip-hard' : 'chip'} title={t(`budgetKind.${budget.kind}Hint`)}>
          {t(`budgetKind.${budget.kind}`)}
        </span>
        <span className="row-end">
          {onChange && (
            <>
              <Button size="small" type="text" onClick={onChange}>
                {t('budget.change')}
              </Button>
              <Remove tenant={tenant} budget={budget} />
            </>
          )}
        </span>
      </div>
      <span className="meter" aria-hidden="true">
        <span className={tone} style={{ width: `${used * 100}%` }} />
        <span className="meter-promised" style={{ width: `${Math.min(1 - used, part(budget.promised, budget.amount)) * 100}%` }} />
      </span>
      <div className="row-facts">
        <span>{t('budget.spent', { spent: money(budget.spent), amount: money(budget.amount), share: format.number(used * 100, 0) })}</span>
        <span>{t('money.promised', { amount: money(budget.promised) })}</span>
        <span className={over ? 'bad-text' : undefined}>{t('budget.left', { left: money(budget.left) })}</span>
        <span>{t('money.fromTo', { from: format.day(budget.from), to: format.dayBefore(budget.to) })}</span>
      </div>
    </li>
  );
}

function Remove({ tenant, budget }: { tenant: string; budget: Budget }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { message } = App.useApp();
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE('/v1/tenants/{tenant}/budgets/{budget}', { params: { path: { tenant, budget: budget.number } } })),
    onError: (error) => void message.error(t(`error.${asProblem(error).code}`, { defaultValue: asProblem(error).detail })),
    onSettled: () => client.invalidateQueries({ queryKey: ['wallet'] }),
  });
  return (
    <Popconfirm title={t('budget.removeAsk')} okText={t('budget.remove')} cancelText={t('job.cancelKeep')} okButtonProps={{ danger: true }} onConfirm={() => remove.mutate()}>
      <Button size="small" type="text" danger loading={remove.isPending}>
        {t('budget.remove')}
      </Button>
    </Popconfirm>
  );
}
