// Projects of the tenant: owners make them; each leads to its work, its people are those who work in it by default.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Button, Input } from 'antd';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { projectsQuery, usersQuery } from '../../api/account';
import { budgetsQuery } from '../../api/money';
import { api, unwrap } from '../../api/client';
import type { Project, WhoAmI } from '../../api/types';
import { useFormat } from '../../ui/hooks';
import { ErrorNote, Section } from '../../ui/parts';
import { type Column, DataTable } from '../../ui/table';
import { Listed } from '../money/frame';
import { Members } from './members';

export function Projects({ me, owner }: { me: WhoAmI['user']; owner: boolean }) {
  const { t } = useTranslation();
  const projects = useQuery(projectsQuery(me.tenant));
  return (
    <Section flush title={t('project.title')} aside={<Link to="/money">{t('project.budgets')}</Link>}>
      <Listed query={projects} none={<p className="pad faint">{t('project.none')}</p>}>
        {(items) => <ProjectTable tenant={me.tenant} owner={owner} projects={items} />}
      </Listed>
      {owner && <Add tenant={me.tenant} />}
    </Section>
  );
}

function ProjectTable({ tenant, owner, projects }: { tenant: string; owner: boolean; projects: Project[] }) {
  const { t } = useTranslation();
  const [shown, setShown] = useState<Project>();
  const format = useFormat();
  const users = useQuery(usersQuery(tenant)).data?.items ?? [];
  const budgets = useQuery(budgetsQuery(tenant)).data?.items ?? [];
  const people = (project: Project) => users.filter((user) => user.project === project.id && !user.disabled).map((user) => user.name);
  const columns: Column<Project>[] = [
    {
      key: 'name',
      title: t('job.project'),
      card: 'head',
      cell: (one) => (
        <Link to="/jobs" search={{ project: one.name }}>
          {one.name}
        </Link>
      ),
    },
    { key: 'people', title: t('project.people'), cell: (one) => people(one).slice(0, 8).join(', ') + (people(one).length > 8 ? ' …' : '') },
    {
      key: 'members',
      title: t('member.members'),
      cell: (one) => {
        const text = one.members === 0 ? t('member.open') : t('member.count', { count: one.members });
        return (
          <Button size="small" type="text" aria-label={`${t('member.title', { project: one.name })}: ${text}`} onClick={() => setShown(one)}>
            {text}
          </Button>
        );
      },
    },
    {
      key: 'budget',
      title: t('budget.title'),
      cell: (one) =>
        budgets
          .filter((budget) => budget.project === one.name)
          .map((budget) => t('budget.left', { left: format.money(budget.left, budget.currency) }))
          .join(', '),
    },
  ];
  return (
    <>
      <DataTable caption={t('project.title')} columns={columns} rows={projects} rowKey={(one) => one.id} />
      {shown && <Members project={shown} manages={owner || shown.role === 'owner'} onClose={() => setShown(undefined)} />}
    </>
  );
}

function Add({ tenant }: { tenant: string }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState('');
  const add = useMutation({
    mutationFn: () => unwrap(api.POST('/v1/tenants/{tenant}/projects', { params: { path: { tenant } }, body: { name: name.trim() } })),
    onSuccess: () => setName(''),
    onSettled: () => client.invalidateQueries({ queryKey: ['projects'] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) add.mutate();
  };
  return (
    <>
      <form className="add-line" onSubmit={submit}>
        <Input value={name} maxLength={40} aria-label={t('project.name')} placeholder={t('project.name')} autoCapitalize="none" spellCheck={false} onChange={(event) => setName(event.target.value)} />
        <Button htmlType="submit" disabled={name.trim() === ''} loading={add.isPending}>
          {t('project.add')}
        </Button>
      </form>
      {add.error && <ErrorNote error={add.error} />}
    </>
  );
}
