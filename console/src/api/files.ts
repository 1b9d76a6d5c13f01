// Files of a job's work folder: their list, the beginning of one as text, the address of all of it.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';

import { api, unwrap } from './client';
import { ApiProblem } from './problem';

const PAGE = 200;
/** Bytes of a file that are shown as text or drawn; the whole is one press away. */
export const SHOWN_BYTES = 512 * 1024;

export const filesQuery = (job: string, path: string) =>
  infiniteQueryOptions({
    queryKey: ['job', job, 'files', path],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      unwrap(api.GET('/v1/jobs/{job}/files', { params: { path: { job }, query: { limit: PAGE, ...(path && { path }), ...(pageParam && { cursor: pageParam }) } }, signal })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const contentUrl = (job: string, path: string): string => `/v1/jobs/${encodeURIComponent(job)}/files/content?${new URLSearchParams({ path }).toString()}`;

export const beginningQuery = (job: string, path: string) =>
  queryOptions({
    queryKey: ['job', job, 'file', path],
    queryFn: async ({ signal }) => {
      const response = await fetch(contentUrl(job, path), { headers: { Range: `bytes=0-${SHOWN_BYTES - 1}` }, credentials: 'same-origin', signal });
      // An empty file has no range that could be asked for.
      if (response.status === 416) return { text: '', binary: false };
      if (!response.ok) throw ApiProblem.from(response.status, await response.json().catch(() => undefined));
      const bytes = new Uint8Array(await response.arrayBuffer());
      return { text: new TextDecoder().decode(bytes), binary: bytes.subarray(0, 8192).includes(0) };
    },
  });

/** Files of the tenant's own space, of one project. */
export const spaceQuery = (project: string, path: string) =>
  infiniteQueryOptions({
    queryKey: ['files', project, path],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      unwrap(api.GET('/v1/files', { params: { query: { limit: PAGE, ...(project && { project }), ...(path && { path }), ...(pageParam && { cursor: pageParam }) } }, signal })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const spaceUrl = (project: string, path: string): string => `/v1/files/content?${new URLSearchParams({ path, ...(project && { project }) }).toString()}`;
