// Setting a budget: for whom, how much, over what time, and whether work beyond it is refused.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Input, Modal, Segmented, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { projectsQuery, usersQuery } from '../../api/account';
import { api, unwrap } from '../../api/client';
import type { Budget, BudgetSet } from '../../api/types';
import { ErrorNote } from '../../ui/parts';

const PERIODS = ['month', 'quarter', 'year'] as const;

/** `+08:00`: the reader's calendar, in which the months of a new budget begin. */
function offset(): string {
  const minutes = -new Date().getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${String(Math.floor(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`;
}

export function BudgetForm({ tenant, budget, onClose }: { tenant: string; budget: Budget | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const projects = useQuery(projectsQuery(tenant)).data?.items ?? [];
  const users = useQuery(usersQuery(tenant)).data?.items ?? [];
  const [draft, setDraft] = useState({
    project: budget?.project ?? '',
    user: budget?.user ?? '',
    amount: budget?.amount ?? '',
    kind: budget?.kind ?? ('soft' as const),
    period: budget?.period ?? ('month' as const),
  });
  const valid = /^\d{1,13}(\.\d{1,6})?$/.test(draft.amount.trim()) && /[1-9]/.test(draft.amount);
  const save = useMutation({
    mutationFn: () => {
      const body: BudgetSet = {
        amount: draft.amount.trim(),
        kind: draft.kind,
        period: draft.period,
        utc_offset: budget?.utc_offset ?? offset(),
        ...(draft.project && { project: draft.project }),
        ...(draft.user && { user: draft.user }),
        ...(budget && { alerts: budget.alerts }),
        ...(budget?.period === 'once' && { from: budget.from, to: budget.to }),
      };
      return unwrap(api.POST('/v1/tenants/{tenant}/budgets', { params: { path: { tenant } }, body }));
    },
    onSuccess: onClose,
    onSettled: () => client.invalidateQueries({ queryKey: ['wallet'] }),
  });
  const any = { value: '', label: t('budget.any') };
  // What names a budget is not changed: another of them would be another budget.
  const fixed = Boolean(budget);
  return (
    <Modal open title={t('budget.set')} okText={t('budget.save')} cancelText={t('common.close')} onOk={() => save.mutate()} onCancel={onClose} okButtonProps={{ disabled: !valid, loading: save.isPending }}>
      <div className="form">
        <label>
          <span>{t('job.project')}</span>
          <Select disabled={fixed} aria-label={t('job.project')} value={draft.project} options={[any, ...projects.map((p) => ({ value: p.name, label: p.name }))]} onChange={(project) => setDraft({ ...draft, project })} />
        </label>
        <label>
          <span>{t('job.user')}</span>
          <Select disabled={fixed} aria-label={t('job.user')} value={draft.user} options={[any, ...users.map((u) => ({ value: u.name, label: u.name }))]} onChange={(user) => setDraft({ ...draft, user })} />
        </label>
        <label>
          <span>{t('budget.amount')}</span>
          <Input inputMode="decimal" value={draft.amount} maxLength={20} onChange={(event) => setDraft({ ...draft, amount: event.target.value })} />
        </label>
        <div>
          <Segmented disabled={fixed} aria-label={t('budget.period')} value={draft.period} options={(budget?.period === 'once' ? (['once'] as const) : PERIODS).map((value) => ({ value, label: t(`budgetPeriod.${value}`) }))} onChange={(period) => setDraft({ ...draft, period })} />
        </div>
        <div>
          <Segmented disabled={fixed} aria-label={t('budget.kind')} value={draft.kind} options={(['soft', 'hard'] as const).map((value) => ({ value, label: t(`budgetKind.${value}`) }))} onChange={(kind) => setDraft({ ...draft, kind })} />
          <p className="faint">{t(`budgetKind.${draft.kind}Hint`)}</p>
        </div>
        {save.error && <ErrorNote error={save.error} />}
      </div>
    </Modal>
  );
}
