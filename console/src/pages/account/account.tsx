// The reader's own things: who one is, language, appearance, notices, password, tokens; for owners the tenant's people.
import { useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { Button, Segmented } from 'antd';
import { useTranslation } from 'react-i18next';

import { api } from '../../api/client';
import { chooseTheme, type ThemeChoice, useThemeChoice } from '../../app/theme';
import { useTitle } from '../../ui/hooks';
import { Facts, PageHead, Section } from '../../ui/parts';
import { useMe } from '../money/frame';
import { Notices } from './notices';
import { Password } from './password';
import { People } from './people';
import { Projects } from './projects';
import { Tokens } from './tokens';

export function AccountPage() {
  const { t } = useTranslation();
  useTitle(t('account.title'));
  const me = useMe();
  if (!me) return null;
  const owner = me.role === 'owner' || me.role === 'operator';
  return (
    <>
      <PageHead title={t('account.title')} />
      <div className="account">
        <div className="account-main">
          <Notices />
          <Tokens />
          <People me={me} owner={owner} />
          <Projects me={me} owner={owner} />
        </div>
        <div className="account-side">
          <Me me={me} />
          <Look />
          <Password name={me.name} />
        </div>
      </div>
    </>
  );
}

function Me({ me }: { me: NonNullable<ReturnType<typeof useMe>> }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const router = useRouter();
  const signOut = async () => {
    await api.DELETE('/v1/session').catch(() => undefined);
    client.clear();
    await router.navigate({ to: '/login' });
  };
  return (
    <Section
      title={me.name}
      aside={
        <Button size="small" onClick={() => void signOut()}>
          {t('top.signOut')}
        </Button>
      }
    >
      <Facts
        items={[
          [t('account.role'), t(`role.${me.role}`)],
          [t('job.tenant'), me.tenant_name],
          [t('account.project'), me.project_name],
        ]}
      />
    </Section>
  );
}

function Look() {
  const { t, i18n } = useTranslation();
  const theme = useThemeChoice();
  return (
    <Section title={t('account.look')}>
      <div className="form">
        <Segmented
          block
          aria-label={t('account.language')}
          value={i18n.language}
          options={[
            { value: 'zh', label: <span lang="zh-CN">{t('account.chinese')}</span> },
            { value: 'en', label: <span lang="en">{t('account.english')}</span> },
          ]}
          onChange={(language) => void i18n.changeLanguage(language)}
        />
        <Segmented<ThemeChoice>
          block
          aria-label={t('top.theme')}
          value={theme}
          options={[
            { value: 'system', label: t('top.themeSystem') },
            { value: 'light', label: t('top.themeLight') },
            { value: 'dark', label: t('top.themeDark') },
          ]}
          onChange={chooseTheme}
        />
      </div>
    </Section>
  );
}
