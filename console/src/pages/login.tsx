// Signing in. The password goes to the server once and is kept nowhere; the session is a cookie this page cannot read.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { Button, Input } from 'antd';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { sessionQuery, signInWaysQuery } from '../api/queries';
import { LanguageButton, ThemeButton } from '../app/shell';
import { useTitle } from '../ui/hooks';
import { Mark } from '../ui/icons';
import { ErrorNote } from '../ui/parts';

const route = getRouteApi('/login');

/** Where the operator has named a provider of sign-ins: away to it, and back by the server. */
function OtherWay({ next }: { next: string | undefined }) {
  const { t } = useTranslation();
  const oidc = useQuery(signInWaysQuery).data?.oidc;
  if (!oidc) return null;
  const query = next ? `?${new URLSearchParams({ next }).toString()}` : '';
  return (
    <a className="button login-other" href={`/v1/session/oidc${query}`}>
      {t('login.other', { name: oidc.label })}
    </a>
  );
}

export function LoginPage() {
  const { t } = useTranslation();
  useTitle(t('login.title'));
  const { next, ended, failed } = route.useSearch();
  const router = useRouter();
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');

  const signIn = useMutation({
    mutationFn: () => unwrap(api.POST('/v1/session', { body: { name: name.trim(), password } })),
    onSuccess: async () => {
      client.clear();
      await client.fetchQuery(sessionQuery);
      router.history.push(next ?? '/');
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() && password) signIn.mutate();
  };

  return (
    <main className="login">
      <div className="login-tools">
        <LanguageButton />
        <ThemeButton />
      </div>
      <form className="login-box" onSubmit={submit} aria-labelledby="login-title">
        <div className="login-brand">
          <Mark />
          <div>
            <div className="login-name">{t('brand')}</div>
            <p className="faint">{t('login.lead')}</p>
          </div>
        </div>
        <h1 id="login-title">{t('login.title')}</h1>
        {ended && !signIn.error && !failed && <div className="note">{t('login.ended')}</div>}
        {failed && !signIn.error && (
          <div className="note note-bad" role="alert">
            {t(`login.failed.${failed}`)}
          </div>
        )}
        {signIn.error && <ErrorNote error={signIn.error} />}
        <label>
          <span>{t('login.name')}</span>
          <Input
            size="large"
            value={name}
            onChange={(event) => setName(event.target.value)}
            name="username"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            maxLength={40}
            required
            autoFocus
          />
        </label>
        <label>
          <span>{t('login.password')}</span>
          <Input
            size="large"
            type="password"
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            name="password"
            autoComplete="current-password"
            maxLength={256}
            required
          />
        </label>
        <Button type="primary" size="large" htmlType="submit" block loading={signIn.isPending}>
          {t('login.submit')}
        </Button>
        <OtherWay next={next} />
      </form>
      <div className="login-water" aria-hidden="true" />
    </main>
  );
}
