// Starts the page: language and appearance first, then the router over one cache of answers.
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { App as Antd } from 'antd';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { ApiProblem } from './api/problem';
import { sessionQuery, shouldRetry } from './api/queries';
import { makeRouter } from './app/router';
import { applyTheme, Theme } from './app/theme';
import { startI18n } from './i18n';
import './styles.css';
import './tenant.css';

/** Answers are asked for anew on a visit after this long; events of the live stream do so at once. */
const STALE_MS = 5_000;

startI18n();
applyTheme();

// Any 401 asks once more who we are; the shell then leads to the sign-in page.
const onError = (error: unknown, key?: readonly unknown[]) => {
  if (error instanceof ApiProblem && error.status === 401 && key?.[0] !== 'session') {
    void client.invalidateQueries({ queryKey: sessionQuery.queryKey });
  }
};

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (error, query) => onError(error, query.queryKey) }),
  mutationCache: new MutationCache({ onError: (error) => onError(error) }),
  defaultOptions: { queries: { staleTime: STALE_MS, retry: shouldRetry }, mutations: { retry: false } },
});

const router = makeRouter(client);

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <Theme>
        <Antd component={false} message={{ maxCount: 3 }}>
          <RouterProvider router={router} />
        </Antd>
      </Theme>
    </QueryClientProvider>
  </StrictMode>,
);
