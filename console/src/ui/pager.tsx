// Onward by cursors; the way back is the browser's, and the newest page is always one step away.
import { Link, useNavigate } from '@tanstack/react-router';
import { Button } from 'antd';
import { useTranslation } from 'react-i18next';

import { BackIcon, NextIcon } from './icons';

export function Pager({ to, cursor, next }: { to: '/money/transfers'; cursor: string | undefined; next: string | undefined }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  if (!next && !cursor) return null;
  return (
    <div className="pager">
      {cursor && (
        <>
          <Link to={to} search={{}} className="button">
            {t('jobs.newest')}
          </Link>
          <Button icon={<BackIcon />} onClick={() => window.history.back()}>
            {t('jobs.newer')}
          </Button>
        </>
      )}
      {next && (
        <Button className="pager-next" onClick={() => void navigate({ to, search: { cursor: next } })}>
          {t('jobs.older')}
          <NextIcon />
        </Button>
      )}
    </div>
  );
}
