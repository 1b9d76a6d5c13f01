// People of the tenant with their roles; owners add them, change roles, switch them off and set forgotten passwords.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Dropdown, Input, Modal, Segmented, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { projectsQuery, usersQuery } from '../../api/account';
import { api, unwrap } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { Role, User, WhoAmI } from '../../api/types';
import { ErrorNote, Section } from '../../ui/parts';
import { type Column, DataTable } from '../../ui/table';
import { Listed } from '../money/frame';
import { PASSWORD_MIN } from './password';

type Me = WhoAmI['user'];
const ROLES: readonly Role[] = ['member', 'owner'];

export function People({ me, owner }: { me: Me; owner: boolean }) {
  const { t } = useTranslation();
  const users = useQuery(usersQuery(me.tenant));
  const [adding, setAdding] = useState(false);
  const [forgot, setForgot] = useState<User>();
  return (
    <Section
      flush
      title={t('people.title', { tenant: me.tenant_name })}
      aside={
        owner && (
          <Button size="small" onClick={() => setAdding(true)}>
            {t('people.add')}
          </Button>
        )
      }
    >
      <Listed query={users} none={<p className="pad faint">{t('people.none')}</p>} lines={3}>
        {(items) => <UserTable me={me} owner={owner} users={items} onForgot={setForgot} />}
      </Listed>
      {adding && <AddUser me={me} onClose={() => setAdding(false)} />}
      {forgot && <SetPassword user={forgot} onClose={() => setForgot(undefined)} />}
    </Section>
  );
}

function UserTable({ me, owner, users, onForgot }: { me: Me; owner: boolean; users: User[]; onForgot: (user: User) => void }) {
  const { t } = useTranslation();
  const columns: (Column<User> | false)[] = [
    {
      key: 'name',
      title: t('people.name'),
      card: 'head',
      cell: (one) => (
        <span className="legend">
          <strong>{one.name}</strong>
          {one.id === me.id && <span className="chip">{t('people.you')}</span>}
          {one.disabled && <span className="chip chip-hard">{t('people.disabled')}</span>}
        </span>
      ),
    },
    { key: 'role', title: t('account.role'), cell: (one) => t(`role.${one.role}`) },
    { key: 'project', title: t('account.project'), cell: (one) => one.project_name },
    owner && { key: 'act', title: t('token.act'), align: 'right', card: 'head-end', cell: (one) => one.id !== me.id && <UserMenu user={one} onForgot={onForgot} /> },
  ];
  return <DataTable caption={t('people.title', { tenant: me.tenant_name })} columns={columns} rows={users} rowKey={(one) => one.id} />;
}

function UserMenu({ user, onForgot }: { user: User; onForgot: (user: User) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { message, modal } = App.useApp();
  const change = useMutation({
    mutationFn: (body: { role?: Role; disabled?: boolean }) => unwrap(api.PATCH('/v1/users/{user}', { params: { path: { user: user.id } }, body })),
    onError: (error) => void message.error(t(`error.${asProblem(error).code}`, { defaultValue: asProblem(error).detail })),
    onSettled: () => client.invalidateQueries({ queryKey: ['users'] }),
  });
  const disable = () =>
    modal.confirm({
      title: t('people.disableAsk', { name: user.name }),
      content: t('people.disableText'),
      okText: t('people.disable'),
      okButtonProps: { danger: true },
      cancelText: t('job.cancelKeep'),
      onOk: () => change.mutateAsync({ disabled: true }).catch(() => undefined),
    });
  const items = [
    user.role === 'member'
      ? { key: 'owner', label: t('people.makeOwner'), onClick: () => change.mutate({ role: 'owner' }) }
      : { key: 'member', label: t('people.makeMember'), onClick: () => change.mutate({ role: 'member' }) },
    { key: 'password', label: t('people.setPassword'), onClick: () => onForgot(user) },
    user.disabled
      ? { key: 'enable', label: t('people.enable'), onClick: () => change.mutate({ disabled: false }) }
      : { key: 'disable', danger: true, label: t('people.disable'), onClick: () => void disable() },
  ];
  return (
    <Dropdown trigger={['click']} menu={{ items }} placement="bottomRight">
      <Button size="small" type="text" loading={change.isPending} aria-label={t('people.menu', { name: user.name })}>
        {t('people.change')}
      </Button>
    </Dropdown>
  );
}

function AddUser({ me, onClose }: { me: Me; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const projects = useQuery(projectsQuery(me.tenant)).data?.items ?? [];
  const [draft, setDraft] = useState({ name: '', password: '', role: 'member' as Role, project: '' });
  const add = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST('/v1/users', {
          body: { tenant: me.tenant, name: draft.name.trim(), role: draft.role, password: draft.password, ...(draft.project && { project: draft.project }) },
        }),
      ),
    onSuccess: onClose,
    onSettled: () => client.invalidateQueries({ queryKey: ['users'] }),
  });
  const ready = draft.name.trim() !== '' && [...draft.password].length >= PASSWORD_MIN;
  return (
    <Modal open title={t('people.add')} okText={t('people.add')} cancelText={t('common.close')} onOk={() => add.mutate()} onCancel={onClose} okButtonProps={{ disabled: !ready, loading: add.isPending }}>
      <div className="form">
        <label>
          <span>{t('people.name')}</span>
          <Input value={draft.name} maxLength={40} autoCapitalize="none" spellCheck={false} autoComplete="off" onChange={(event) => setDraft({ ...draft, name: event.target.value })} />
        </label>
        <label>
          <span>{t('password.first', { min: PASSWORD_MIN })}</span>
          <Input type="password" value={draft.password} maxLength={256} autoComplete="new-password" onChange={(event) => setDraft({ ...draft, password: event.target.value })} />
        </label>
        <Segmented aria-label={t('account.role')} value={draft.role} options={ROLES.map((value) => ({ value, label: t(`role.${value}`) }))} onChange={(role) => setDraft({ ...draft, role })} />
        <label>
          <span>{t('account.project')}</span>
          <Select aria-label={t('account.project')} value={draft.project} options={[{ value: '', label: t('people.firstProject') }, ...projects.map((p) => ({ value: p.name, label: p.name }))]} onChange={(project) => setDraft({ ...draft, project })} />
        </label>
        {add.error && <ErrorNote error={add.error} />}
      </div>
    </Modal>
  );
}

function SetPassword({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const [password, setPassword] = useState('');
  const set = useMutation({
    mutationFn: () => unwrap(api.PATCH('/v1/users/{user}', { params: { path: { user: user.id } }, body: { password } })),
    onSuccess: onClose,
  });
  return (
    <Modal open title={t('people.setPasswordOf', { name: user.name })} okText={t('people.setPassword')} cancelText={t('common.close')} onOk={() => set.mutate()} onCancel={onClose} okButtonProps={{ disabled: [...password].length < PASSWORD_MIN, loading: set.isPending }}>
      <div className="form">
        <label>
          <span>{t('password.fresh', { min: PASSWORD_MIN })}</span>
          <Input type="password" value={password} maxLength={256} autoComplete="new-password" onChange={(event) => setPassword(event.target.value)} />
        </label>
        {set.error && <ErrorNote error={set.error} />}
      </div>
    </Modal>
  );
}
