// What stands where a page cannot: no such address, a page that failed, a server that does not answer.
import { Link, useRouter } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { ApiProblem } from '../api/problem';
import { useTitle } from '../ui/hooks';
import { Empty, ErrorNote } from '../ui/parts';

export function NotFound() {
  const { t } = useTranslation();
  useTitle(t('error.notFoundTitle'));
  return (
    <main className="alone">
      <Empty title={t('error.notFoundTitle')}>
        <p>{t('error.notFoundText')}</p>
        <p>
          <Link to="/">{t('error.home')}</Link>
        </p>
      </Empty>
    </main>
  );
}

export function PageFailed({ error, reset }: { error: unknown; reset: () => void }) {
  const { t } = useTranslation();
  const router = useRouter();
  useTitle(t('error.pageTitle'));
  const again = () => {
    reset();
    void router.invalidate();
  };
  // A defect of the page itself is shown by its message; problems of the API have their own words.
  const shown = error instanceof ApiProblem ? error : new ApiProblem('page', 400, error instanceof Error ? error.message : String(error));
  return (
    <main className="alone">
      <h1>{t('error.pageTitle')}</h1>
      <ErrorNote error={shown} onRetry={again} />
    </main>
  );
}
