// What this browser remembers of the list of jobs: columns shown, and views with a name. Nothing of it is secret.

const COLUMNS = 'hw.jobs.columns';
const VIEWS = 'hw.jobs.views';
/** Hidden as long as nothing was chosen. */
const HIDDEN_FIRST = ['project', 'limit'];
/** Views that are kept; a further one replaces the oldest. */
const VIEWS_MAX = 12;
export const VIEW_NAME_MAX = 40;

export interface SavedView {
  name: string;
  /** The address's question, as it was. */
  search: Record<string, string>;
}

function read(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

/** Names of columns that are not shown. */
export function hiddenColumns(): string[] {
  const stored = read(COLUMNS);
  return Array.isArray(stored) ? stored.filter((name): name is string => typeof name === 'string') : HIDDEN_FIRST;
}

export const hideColumns = (names: readonly string[]): void => localStorage.setItem(COLUMNS, JSON.stringify(names));

/** Only what has the shape of a view; whatever else stands there is left out. */
export function viewsIn(stored: unknown): SavedView[] {
  if (!Array.isArray(stored)) return [];
  return stored.flatMap((one: unknown) => {
    const { name, search } = (one ?? {}) as Partial<SavedView>;
    if (typeof name !== 'string' || name === '' || typeof search !== 'object' || search === null) return [];
    return [{ name, search: Object.fromEntries(Object.entries(search).filter(([, value]) => typeof value === 'string')) }];
  });
}

export const savedViews = (): SavedView[] => viewsIn(read(VIEWS));

const keep = (views: readonly SavedView[]): SavedView[] => {
  const kept = views.slice(-VIEWS_MAX);
  localStorage.setItem(VIEWS, JSON.stringify(kept));
  return kept;
};

/** A view of the same name is replaced. */
export const saveView = (view: SavedView): SavedView[] => keep([...savedViews().filter((one) => one.name !== view.name), view]);
export const forgetView = (name: string): SavedView[] => keep(savedViews().filter((one) => one.name !== name));

/** Whether a question is the one of a view; a page's cursor is no part of it. */
export function sameSearch(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  const text = (search: Record<string, unknown>) =>
    JSON.stringify(Object.entries(search).filter(([key, value]) => key !== 'cursor' && value !== undefined).sort(([x], [y]) => (x < y ? -1 : 1)));
  return text(a) === text(b);
}
