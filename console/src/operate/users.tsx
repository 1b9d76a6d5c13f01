// All users with their roles; the forms that make one, change its role, set a new password, and disable it.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { ActButton, filled, FormDialog } from './form';
import { Answer, Choice, Pager, ServerSearch, Tag } from './parts';
import { useTenantOptions } from './pick';
import { once, q, type Schemas } from './queries';

const ROLES = ['member', 'owner', 'auditor', 'operator'] as const;

export function UsersPage() {
  const { t } = useTranslation();
  useTitle(t('opPeople.users'));
  const [search, change] = useAddress();
  const mayChange = useMayChange();
  const tenants = useTenantOptions();
  const role = ROLES.find((name) => name === search.role);
  const users = useQuery(q.users(search.tenant, search.cursor, { ...(search.q ? { q: search.q } : {}), ...(role ? { role } : {}) }));
  return (
    <>
      <PageHead title={t('opPeople.users')}>{mayChange && <NewUser />}</PageHead>
      <div className="op-bar">
        <ServerSearch label={t('opPeople.search')} />
        <Choice label={t('opPeople.role')} value={role ?? ''} options={[{ value: '', label: t('opPeople.anyRole') }, ...ROLES.map((value) => ({ value, label: t(`role.${value}`) }))]} onChange={(value) => change({ role: value || undefined })} />
        <Choice label={t('opPeople.tenant')} value={search.tenant ?? ''} options={[{ value: '', label: t('opPeople.allTenants') }, ...tenants]} onChange={(tenant) => change({ tenant: tenant || undefined })} />
      </div>
      <Section flush>
        <Answer query={users} lines={8}>
          {(page) => (
            <>
              {page.items.length === 0 ? <p className="pad faint">{t('opPeople.noUsers')}</p> : <UserTable users={page.items} mayChange={mayChange} />}
              <Pager next={page.next_cursor ?? undefined} />
            </>
          )}
        </Answer>
      </Section>
    </>
  );
}

export function UserTable({ users, mayChange, short }: { users: readonly Schemas['User'][]; mayChange: boolean; short?: boolean }) {
  const { t } = useTranslation();
  const columns: (Column<Schemas['User']> | false)[] = [
    { key: 'name', title: t('opPeople.name'), card: 'head', cell: (row) => <strong>{row.name}</strong> },
    { key: 'state', title: t('opPeople.state'), card: 'head-end', cell: (row) => (row.disabled ? <Tag tone="bad">{t('opPeople.disabled')}</Tag> : <Tag tone="good">{t('opPeople.active')}</Tag>) },
    { key: 'role', title: t('opPeople.role'), cell: (row) => t(`role.${row.role}`) },
    !short && { key: 'tenant', title: t('opPeople.tenant'), cell: (row) => <Link to="/operate/tenants/$tenant" params={{ tenant: row.tenant_name }}>{row.tenant_name}</Link> },
    !short && { key: 'project', title: t('opPeople.project'), cell: (row) => row.project_name },
    mayChange && { key: 'act', title: '', align: 'right', cell: (row) => <ActButton words={t('opPeople.change')} small>{(close) => <ChangeDialog user={row} onClose={close} />}</ActButton> },
  ];
  return <DataTable columns={columns} rows={users} rowKey={(row) => row.id} caption={t('opPeople.users')} />;
}

function ChangeDialog({ user, onClose }: { user: Schemas['User']; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <FormDialog
      title={t('opPeople.changeUser', { user: user.name })}
      act={t('opPeople.save')}
      onClose={onClose}
      fields={[
        { name: 'role', label: t('opPeople.role'), kind: 'select', value: user.role, options: ROLES.map((value) => ({ value, label: t(`role.${value}`) })) },
        { name: 'password', label: t('opPeople.newPassword'), kind: 'password', hint: t('opPeople.passwordHint') },
        { name: 'disabled', label: t('opPeople.disable'), kind: 'check', value: user.disabled ? '1' : '' },
      ]}
      send={(values) => {
        const disabled = values.disabled === '1';
        const body = { ...(values.role !== user.role ? { role: values.role as Schemas['Role'] } : {}), ...filled(values, 'password'), ...(disabled !== user.disabled ? { disabled } : {}) };
        return unwrap(api.PATCH('/v1/users/{user}', { params: { path: { user: user.id } }, body }));
      }}
    />
  );
}

export function NewUser({ tenant, small }: { tenant?: string; small?: boolean }) {
  const { t } = useTranslation();
  const tenants = useTenantOptions();
  return (
    <ActButton words={t('opPeople.newUser')} primary={!small} {...(small ? { small } : {})}>
      {(close) => (
        <FormDialog
          title={t('opPeople.newUser')}
          act={t('opPeople.create')}
          onClose={close}
          fields={[
            { name: 'name', label: t('opPeople.name'), required: true, hint: t('opCluster.nameHint') },
            { name: 'tenant', label: t('opPeople.tenant'), kind: 'select', options: tenants, ...(tenant ? { value: tenant } : {}) },
            { name: 'role', label: t('opPeople.role'), kind: 'select', options: ROLES.map((value) => ({ value, label: t(`role.${value}`) })) },
            { name: 'password', label: t('opPeople.password'), kind: 'password' },
            { name: 'project', label: t('opPeople.project'), hint: t('opPeople.projectHint') },
          ]}
          send={(values) => unwrap(api.POST('/v1/users', { params: { header: once() }, body: { name: values.name ?? '', tenant: values.tenant ?? '', role: values.role as Schemas['Role'], ...filled(values, 'password', 'project') } }))}
        />
      )}
    </ActButton>
  );
}
