// What a job's state allows and how states are grouped for people. Pure.
import type { JobState, JobSummary } from '../api/types';

export const OPEN_STATES: readonly JobState[] = ['PENDING', 'HELD', 'RUNNING', 'COMPLETING'];

export const isOpen = (state: JobState): boolean => OPEN_STATES.includes(state);

/** Views of the list with an address of their own; the value is the filter the server gets. */
export const VIEWS = {
  all: {},
  running: { state: 'RUNNING,COMPLETING' },
  waiting: { state: 'PENDING,HELD' },
  completed: { state: 'COMPLETED' },
  failed: { state: 'FAILED,TIMEOUT,OUT_OF_MEMORY,NODE_FAIL' },
  cancelled: { state: 'CANCELLED,PREEMPTED' },
} as const satisfies Record<string, { state?: string }>;

export type View = keyof typeof VIEWS;
export const viewNames = Object.keys(VIEWS) as View[];

/** Queue classes, the most urgent first. */
export const CLASSES = ['urgent', 'high', 'normal', 'low'] as const;
export type JobClass = (typeof CLASSES)[number];

/** What the list can be sorted by. */
export const SORTS = ['number', 'started', 'ended', 'run_time', 'price', 'name', 'user'] as const;

/** The next state of a heading that is pressed: the greatest first, the least first, as it was. */
export function nextSort<S extends string>(now: { sort?: S | undefined; order?: 'asc' | undefined }, pressed: S): { sort: S | undefined; order: 'asc' | undefined } {
  if (now.sort !== pressed) return { sort: pressed, order: undefined };
  return now.order ? { sort: undefined, order: undefined } : { sort: pressed, order: 'asc' };
}

export type Tone = 'wait' | 'hold' | 'run' | 'good' | 'bad' | 'off';

export const TONES: Record<JobState, Tone> = {
  PENDING: 'wait',
  HELD: 'hold',
  RUNNING: 'run',
  COMPLETING: 'run',
  COMPLETED: 'good',
  FAILED: 'bad',
  TIMEOUT: 'bad',
  OUT_OF_MEMORY: 'bad',
  NODE_FAIL: 'bad',
  CANCELLED: 'off',
  PREEMPTED: 'off',
};

export type Action = 'cancel' | 'hold' | 'release' | 'requeue';

/** What may be asked of a job in this state; the server has the last word. */
export function actionsOf(state: JobState): Action[] {
  switch (state) {
    case 'PENDING':
      return ['hold', 'cancel'];
    case 'HELD':
      return ['release', 'cancel'];
    case 'RUNNING':
      return ['requeue', 'cancel'];
    default:
      // What has ended is submitted anew instead, perhaps with changes.
      return [];
  }
}

/** The number people say: `123`, or `120_4` within an array. */
export const label = (job: Pick<JobSummary, 'number' | 'array'>): string =>
  job.array ? `${job.array.root_number}_${job.array.index}` : String(job.number);

/** Jobs as they were handed in: of an array one element, since its script submits the whole. */
export function handedIn<T extends Pick<JobSummary, 'id' | 'array'>>(jobs: readonly T[]): T[] {
  const seen = new Set<string>();
  return jobs.filter(({ id, array }) => {
    const whole = array ? `array ${array.root_number}` : id;
    return !seen.has(whole) && seen.add(whole);
  });
}

/** Where a search leads: a job by number, array element or id, or the list filtered by name. */
export function searchTarget(text: string): { job: string } | { name: string } | undefined {
  const wanted = text.trim().replace(/^#/, '');
  if (wanted === '') return undefined;
  return /^(\d{1,18}(_\d{1,9})?|job_[0-9a-z]{32})$/.test(wanted) ? { job: wanted } : { name: wanted };
}

/** Seconds waited, run, and since when it is counted; `now` for what is not over. */
export function phases(job: Pick<JobSummary, 'submitted_at' | 'started_at' | 'ended_at'>, now: number) {
  const ms = (text: string) => new Date(text).getTime();
  const end = job.ended_at ? ms(job.ended_at) : now;
  const start = job.started_at ? ms(job.started_at) : end;
  return {
    waitSeconds: Math.max(0, (start - ms(job.submitted_at)) / 1000),
    runSeconds: job.started_at ? Math.max(0, (end - start) / 1000) : undefined,
  };
}
