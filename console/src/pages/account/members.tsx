// Who works in a project and as what; its owners and those of the tenant give and take roles.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Modal, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { membersQuery, usersQuery } from '../../api/account';
import { api, unwrap } from '../../api/client';
import type { Project, ProjectMember, ProjectRole } from '../../api/types';
import { ErrorNote } from '../../ui/parts';
import { type Column, DataTable } from '../../ui/table';
import { Listed } from '../money/frame';

const ROLES: readonly ProjectRole[] = ['owner', 'member', 'viewer'];

interface Change {
  user: string;
  role: ProjectRole | undefined;
}

function useChange(project: Project) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ user, role }: Change) => {
      const params = { path: { tenant: project.tenant, project: project.id, user } };
      const path = '/v1/tenants/{tenant}/projects/{project}/members/{user}';
      return role ? unwrap(api.PUT(path, { params, body: { role } })) : unwrap(api.DELETE(path, { params }));
    },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['members'] }), client.invalidateQueries({ queryKey: ['projects'] })]),
  });
}

export function Members({ project, manages, onClose }: { project: Project; manages: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const members = useQuery(membersQuery(project.tenant, project.id));
  const change = useChange(project);
  return (
    <Modal open title={t('member.title', { project: project.name })} onCancel={onClose} footer={<Button onClick={onClose}>{t('common.close')}</Button>}>
      <p className="faint">{t('member.note')}</p>
      <Listed query={members} none={<p>{t('member.none')}</p>}>
        {(items) => <MemberTable project={project} members={items} manages={manages} onChange={change.mutate} />}
      </Listed>
      {manages && <AddMember project={project} known={members.data?.items ?? []} onAdd={change.mutate} busy={change.isPending} />}
      {change.error && <ErrorNote error={change.error} />}
    </Modal>
  );
}

function MemberTable({ project, members, manages, onChange }: { project: Project; members: ProjectMember[]; manages: boolean; onChange: (change: Change) => void }) {
  const { t } = useTranslation();
  const roles = ROLES.map((value) => ({ value, label: t(`member.role.${value}`) }));
  const columns: (Column<ProjectMember> | false)[] = [
    { key: 'name', title: t('people.name'), card: 'head', cell: (one) => one.name },
    {
      key: 'role',
      title: t('account.role'),
      cell: (one) => (manages ? <Select size="small" aria-label={t('member.roleOf', { name: one.name })} value={one.role} options={roles} onChange={(role) => onChange({ user: one.user, role })} /> : t(`member.role.${one.role}`)),
    },
    manages && {
      key: 'act',
      title: t('token.act'),
      align: 'right',
      card: 'head-end',
      cell: (one) => (
        <Button size="small" type="text" aria-label={t('member.removeOf', { name: one.name })} onClick={() => onChange({ user: one.user, role: undefined })}>
          {t('member.remove')}
        </Button>
      ),
    },
  ];
  return <DataTable caption={t('member.title', { project: project.name })} columns={columns} rows={members} rowKey={(one) => one.user} />;
}

function AddMember({ project, known, onAdd, busy }: { project: Project; known: ProjectMember[]; onAdd: (change: Change) => void; busy: boolean }) {
  const { t } = useTranslation();
  const users = useQuery(usersQuery(project.tenant)).data?.items ?? [];
  const [draft, setDraft] = useState<{ user: string | undefined; role: ProjectRole }>({ user: undefined, role: 'member' });
  const others = users.filter((user) => !user.disabled && !known.some((member) => member.user === user.id));
  const add = () => {
    if (!draft.user) return;
    onAdd({ user: draft.user, role: draft.role });
    setDraft({ ...draft, user: undefined });
  };
  return (
    <div className="way-form">
      <Select showSearch={{ optionFilterProp: 'label' }} aria-label={t('member.who')} placeholder={t('member.who')} value={draft.user} options={others.map((user) => ({ value: user.id, label: user.name }))} onChange={(user) => setDraft({ ...draft, user })} />
      <Select aria-label={t('account.role')} value={draft.role} options={ROLES.map((value) => ({ value, label: t(`member.role.${value}`) }))} onChange={(role) => setDraft({ ...draft, role })} />
      <Button type="primary" disabled={!draft.user} loading={busy} onClick={add}>
        {t('member.add')}
      </Button>
    </div>
  );
}
