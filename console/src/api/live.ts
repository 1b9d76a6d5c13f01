// Keeps what the pages show true while they are open: one stream of events for all of them, gathered and applied in beats.
import type { QueryClient } from '@tanstack/react-query';

import { openStream, type StreamStatus } from './sse';
import type { Event, Job, JobState, JobSummary } from './types';

/** Events are applied together this often: quick to the eye, and a busy platform asks for each list once a beat. */
const BEAT_MS = 600;
/** A page nobody looks at gives its connection back after this long (a browser has six per server). */
const HIDDEN_MS = 20_000;

/** What is kept under `jobs`, and nothing else is. */
type Page = { items: JobSummary[]; next_cursor?: string | null };

/** The list with the states the events tell; the same object when nothing in it changed. */
export function withStates<T extends Page | undefined>(page: T, states: ReadonlyMap<string, JobState>): T {
  if (!page?.items.some((job) => states.has(job.id) && states.get(job.id) !== job.state)) return page;
  const changed = (job: JobSummary): JobSummary => {
    const state = states.get(job.id) ?? job.state;
    // Why it waited and where it ran were told of the state before.
    return state === job.state ? job : { ...job, state, reason: null, nodes: [], expected_start: null };
  };
  return { ...page, items: page.items.map(changed) };
}

export interface LiveOptions {
  onStatus: (status: StreamStatus) => void;
  /** Hears of every event as it comes. */
  onEvent?: (event: Event) => void;
  /** Whether the stream goes on while nobody looks. */
  stays?: () => boolean;
}

/** Starts the stream. Returns what ends it. */
export function startLive(client: QueryClient, { onStatus, onEvent, stays }: LiveOptions): () => void {
  let stream: AbortController | undefined;
  let lastId: string | undefined;
  let wasLost = false;
  let beat: ReturnType<typeof setTimeout> | undefined;
  let hidden: ReturnType<typeof setTimeout> | undefined;
  const states = new Map<string, JobState>();
  const touched = new Set<string>();

  const apply = () => {
    beat = undefined;
    client.setQueriesData<Page>({ queryKey: ['jobs'] }, (page) => withStates(page, states));
    // A job may be open under its id, its number or an array element: the cache knows which.
    const open = client.getQueryCache().findAll({ queryKey: ['job'], predicate: (q) => q.queryKey.length === 2 });
    for (const query of open) {
      const job = query.state.data as Job | undefined;
      if (!job || !touched.has(job.id)) continue;
      // Its timeline and explanation are kept under its id, whatever name it was opened by.
      void client.invalidateQueries({ queryKey: query.queryKey });
      if (query.queryKey[1] !== job.id) void client.invalidateQueries({ queryKey: ['job', job.id] });
    }
    states.clear();
    touched.clear();
    for (const key of ['jobs', 'queue', 'pools', 'wallet']) void client.invalidateQueries({ queryKey: [key] });
  };

  const connect = () => {
    if (stream) return;
    const control = (stream = new AbortController());
    void openStream({
      url: '/v1/events',
      signal: control.signal,
      lastEventId: lastId,
      onStatus: (status) => {
        if (control.signal.aborted) return;
        if (status === 'lost') wasLost = true;
        if (status === 'open' && wasLost) {
          // Whatever happened meanwhile is asked for anew.
          wasLost = false;
          void client.invalidateQueries();
        }
        onStatus(status);
      },
      onMessage: (message) => {
        lastId = message.id ?? lastId;
        const event = parse(message.data);
        if (!event) return;
        onEvent?.(event);
        if (event.job) {
          touched.add(event.job);
          if (event.state) states.set(event.job, event.state);
        }
        beat ??= setTimeout(apply, BEAT_MS);
      },
      onRefused: (problem) => {
        // Signed out elsewhere: asking who we are leads to the sign-in page.
        if (problem.status === 401) void client.invalidateQueries({ queryKey: ['session'] });
        return problem.status !== 401;
      },
    });
  };

  const disconnect = () => {
    stream?.abort();
    stream = undefined;
  };

  const visibility = () => {
    clearTimeout(hidden);
    if (document.hidden) {
      hidden = setTimeout(() => stays?.() || disconnect(), HIDDEN_MS);
    } else if (!stream) {
      wasLost = true;
      connect();
    }
  };

  document.addEventListener('visibilitychange', visibility);
  connect();
  return () => {
    document.removeEventListener('visibilitychange', visibility);
    clearTimeout(beat);
    clearTimeout(hidden);
    disconnect();
  };
}

/** An event of the stream, or nothing when the text is not one. */
function parse(data: string): Event | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null && 'kind' in value ? (value as Event) : undefined;
  } catch {
    return undefined;
  }
}
