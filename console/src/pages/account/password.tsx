// Changing the own password; other browsers are signed out by the server.
import { useMutation } from '@tanstack/react-query';
import { App, Button, Input } from 'antd';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../../api/client';
import { ErrorNote, Section } from '../../ui/parts';

/** Characters of a password, as the server wants them. */
export const PASSWORD_MIN = 10;

export function Password({ name }: { name: string }) {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const [draft, setDraft] = useState({ old: '', fresh: '' });
  const change = useMutation({
    mutationFn: () => unwrap(api.POST('/v1/users/me/password', { body: { old: draft.old, new: draft.fresh } })),
    onSuccess: () => {
      setDraft({ old: '', fresh: '' });
      void message.success(t('password.changed'));
    },
  });
  const ready = draft.old !== '' && [...draft.fresh].length >= PASSWORD_MIN;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) change.mutate();
  };
  return (
    <Section title={t('password.title')}>
      <form className="form" onSubmit={submit}>
        <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
        <label>
          <span>{t('password.old')}</span>
          <Input type="password" autoComplete="current-password" value={draft.old} maxLength={256} onChange={(event) => setDraft({ ...draft, old: event.target.value })} />
        </label>
        <label>
          <span>{t('password.fresh', { min: PASSWORD_MIN })}</span>
          <Input type="password" autoComplete="new-password" value={draft.fresh} maxLength={256} onChange={(event) => setDraft({ ...draft, fresh: event.target.value })} />
        </label>
        {change.error && <ErrorNote error={change.error} />}
        <Button htmlType="submit" disabled={!ready} loading={change.isPending}>
          {t('password.change')}
        </Button>
        <p className="faint">{t('password.note')}</p>
      </form>
    </Section>
  );
}
