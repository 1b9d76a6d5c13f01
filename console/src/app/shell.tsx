// The frame around every page after signing in: navigation, search, connection, language, appearance, account.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouter } from '@tanstack/react-router';
import { Button, Dropdown } from 'antd';
import { type FormEvent, useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';

import { api } from '../api/client';
import { startLive } from '../api/live';
import { ApiProblem } from '../api/problem';
import { sessionQuery } from '../api/queries';
import { makeFormat } from '../lib/format';
import { label, searchTarget } from '../lib/jobs';
import { FilesIcon, HomeIcon, JobsIcon, LanguageIcon, Mark, MoneyIcon, PoolsIcon, SearchIcon, SubmitIcon, SunIcon, UserIcon } from '../ui/icons';
import { mayOperate } from '../operate/address';
import { OperateIcon } from '../operate/icons';
import { setConnection, useConnection } from './connection';
import { noticer, noticeState, type NoticeTexts } from './notices';
import { Keyboard, typing } from './palette';
import { chooseTheme, type ThemeChoice, useThemeChoice } from './theme';

export function Shell() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const router = useRouter();
  const session = useQuery(sessionQuery);
  const signedOut = session.error instanceof ApiProblem && session.error.status === 401;
  const user = session.data?.user.id;

  useLive(user);
  useEffect(() => {
    if (!signedOut) return;
    const { href, pathname } = router.state.location;
    if (pathname === '/login') return;
    client.clear();
    void router.navigate({ to: '/login', search: { next: href, ended: '1' } });
  }, [signedOut, client, router]);

  return (
    <>
      <a className="skip" href="#content">
        {t('nav.skip')}
      </a>
      <header className="top">
        <div className="top-inner">
          <Link to="/" className="brand" aria-label={t('brand')}>
            <Mark />
            <span className="brand-name">{t('brand')}</span>
          </Link>
          <Navigation />
          <Search />
          <div className="top-end">
            <Connection />
            <LanguageButton />
            <ThemeButton />
            <Account />
          </div>
        </div>
      </header>
      <LostNote />
      <Keyboard />
      <main id="content" className="content" tabIndex={-1}>
        <Outlet />
      </main>
    </>
  );
}

/** The stream of events runs as long as somebody is signed in, and tells of ended jobs where that is wanted. */
function useLive(user: string | undefined) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const router = useRouter();
  const texts = useRef<() => NoticeTexts>(undefined);
  texts.current = () => ({
    one: (job) => ({
      title: t('notices.ended', { name: job.name, state: t(`state.${job.state}`) }),
      body: t('notices.endedBody', { label: label(job), charged: makeFormat(i18n.language === 'zh' ? 'zh' : 'en', i18n.language).money(job.charged, job.currency) }),
    }),
    many: (count) => ({ title: t('notices.endedMany', { count }), body: t('notices.endedManyBody') }),
  });
  useEffect(() => {
    if (!user) return undefined;
    const onEvent = noticer(client, user, () => (texts.current as () => NoticeTexts)());
    return startLive(client, { onStatus: setConnection, onEvent, stays: () => noticeState() === 'on' });
  }, [client, user]);
  useEffect(() => {
    // A tapped notice names the page to open (sw.js).
    const onMessage = (event: MessageEvent) => {
      const path = (event.data as { open?: unknown } | null)?.open;
      if (typeof path === 'string' && path.startsWith('/')) void router.navigate({ href: path });
    };
    navigator.serviceWorker?.addEventListener('message', onMessage);
    return () => navigator.serviceWorker?.removeEventListener('message', onMessage);
  }, [router]);
}

function Navigation() {
  const { t } = useTranslation();
  const active = { className: 'is-active', 'aria-current': 'page' } as const;
  return (
    <nav className="nav" aria-label={t('nav.main')}>
      <Link to="/" activeOptions={{ exact: true, includeSearch: false }} activeProps={active}>
        <HomeIcon />
        {t('nav.home')}
      </Link>
      <Link to="/jobs" activeOptions={{ includeSearch: false }} activeProps={active}>
        <JobsIcon />
        {t('nav.jobs')}
      </Link>
      <Link to="/pools" className="only-desk" activeProps={{ ...active, className: 'only-desk is-active' }}>
        <PoolsIcon />
        {t('nav.pools')}
      </Link>
      <Link to="/files" className="only-desk" activeOptions={{ includeSearch: false }} activeProps={{ ...active, className: 'only-desk is-active' }}>
        <FilesIcon />
        {t('space.title')}
      </Link>
      <Link to="/money" activeOptions={{ includeSearch: false }} activeProps={active}>
        <MoneyIcon />
        {t('nav.money')}
      </Link>
      <Link to="/submit" activeOptions={{ includeSearch: false }} activeProps={active}>
        <SubmitIcon />
        {t('nav.submit')}
      </Link>
      {mayOperate(useQuery(sessionQuery).data?.user.role) && (
        <Link to="/operate" activeProps={active} activeOptions={{ includeSearch: false }}>
          <OperateIcon />
          {t('op.nav.operate')}
        </Link>
      )}
      <Link to="/account" className="only-phone" activeOptions={{ includeSearch: false }} activeProps={{ ...active, className: 'only-phone is-active' }}>
        <UserIcon />
        {t('account.title')}
      </Link>
    </nav>
  );
}

function Search() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      event.preventDefault();
      field.current?.focus();
      field.current?.select();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  const go = (event: FormEvent) => {
    event.preventDefault();
    const target = searchTarget(field.current?.value ?? '');
    if (!target) return;
    if ('job' in target) void navigate({ to: '/jobs/$job', params: { job: target.job } });
    else void navigate({ to: '/jobs', search: { name: target.name } });
    if (field.current) field.current.value = '';
    field.current?.blur();
  };
  return (
    <form className="search" role="search" onSubmit={go} title={t('top.searchHint')}>
      <SearchIcon />
      <input
        ref={field}
        type="search"
        enterKeyHint="search"
        autoComplete="off"
        spellCheck={false}
        maxLength={100}
        placeholder={t('top.search')}
        aria-label={t('top.search')}
        onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
      />
      <kbd aria-hidden="true">/</kbd>
    </form>
  );
}

function Connection() {
  const { t } = useTranslation();
  const status = useConnection();
  const word = status === 'open' ? t('top.live') : status === 'lost' ? t('top.lost') : t('top.connecting');
  return (
    <span className={`connection connection-${status}`} role="status" title={status === 'lost' ? t('top.lostHint') : t('top.liveHint')}>
      <span className="connection-dot" aria-hidden="true" />
      <span className="connection-word">{word}</span>
    </span>
  );
}

/** A lost link is told in full on its own line; it goes by itself. */
function LostNote() {
  const { t } = useTranslation();
  if (useConnection() !== 'lost') return null;
  return (
    <div className="lost-note">
      <strong>{t('top.lost')}</strong> {t('top.lostHint')}
    </div>
  );
}

export function LanguageButton() {
  const { t, i18n } = useTranslation();
  const other = i18n.language === 'zh' ? 'en' : 'zh';
  return (
    <Button
      type="text"
      className="top-button"
      icon={<LanguageIcon />}
      title={t('top.languageHint')}
      aria-label={t('top.languageHint')}
      onClick={() => void i18n.changeLanguage(other)}
    >
      <span className="top-word" lang={other === 'zh' ? 'zh-CN' : 'en'}>
        {t('top.language')}
      </span>
    </Button>
  );
}

export function ThemeButton() {
  const { t } = useTranslation();
  const choice = useThemeChoice();
  const items = [
    { key: 'system', label: t('top.themeSystem') },
    { key: 'light', label: t('top.themeLight') },
    { key: 'dark', label: t('top.themeDark') },
  ];
  return (
    <Dropdown
      trigger={['click']}
      menu={{ items, selectable: true, selectedKeys: [choice], onClick: ({ key }) => chooseTheme(key as ThemeChoice) }}
    >
      <Button type="text" className="top-button" icon={<SunIcon />} title={t('top.theme')} aria-label={t('top.theme')} />
    </Dropdown>
  );
}

function Account() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const router = useRouter();
  const user = useQuery(sessionQuery).data?.user;
  if (!user) return null;
  const signOut = async () => {
    // A session the server no longer knows is as good as closed.
    await api.DELETE('/v1/session').catch(() => undefined);
    client.clear();
    await router.navigate({ to: '/login' });
  };
  const items = [
    {
      key: 'who',
      disabled: true,
      label: (
        <span className="who">
          <strong>{user.name}</strong>
          <span>{`${user.tenant_name} › ${user.project_name}`}</span>
          <span>{t(`role.${user.role}`)}</span>
        </span>
      ),
    },
    { type: 'divider' as const },
    { key: 'account', label: <Link to="/account">{t('account.title')}</Link> },
    { key: 'keys', label: t('keys.palette'), onClick: () => void document.dispatchEvent(new Event('hw:palette')) },
    { type: 'divider' as const },
    { key: 'out', label: t('top.signOut'), onClick: () => void signOut() },
  ];
  return (
    <Dropdown trigger={['click']} menu={{ items }} placement="bottomRight">
      <Button type="text" className="top-button" icon={<UserIcon />} aria-label={t('top.account', { name: user.name })}>
        <span className="top-word">{user.name}</span>
      </Button>
    </Dropdown>
  );
}
