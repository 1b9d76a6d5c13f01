// Keys that lead to pages: `g` and then a letter, as people know it from other consoles. Pure.

export const GO = { h: '/', j: '/jobs', p: '/pools', m: '/money', s: '/submit', f: '/files', a: '/account' } as const;
export type GoKey = keyof typeof GO;

/** Time within which the second key must follow. */
export const SECOND_MS = 1_200;

export type Pressed = { go: (typeof GO)[GoKey] } | { wait: true } | undefined;

/** What a key means after the one before it, which counts while it is fresh. */
export function pressed(key: string, before: { key: string; at: number } | undefined, now: number): Pressed {
  if (before?.key === 'g' && now - before.at <= SECOND_MS && key in GO) return { go: GO[key as GoKey] };
  return key === 'g' ? { wait: true } : undefined;
}

export interface Entry {
  key: string;
  label: string;
  /** Other words by which it is found, such as its name in the other language. */
  also?: string;
}

/** Entries whose words begin with, or contain, every word typed; better matches first, order kept among equals. */
export function matching<T extends Entry>(entries: readonly T[], typed: string): T[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...entries];
  const rank = (entry: T): number => {
    const text = `${entry.label} ${entry.also ?? ''}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) return 2;
    return text.startsWith(words[0] as string) ? 0 : 1;
  };
  return entries
    .map((entry, at) => ({ entry, at, rank: rank(entry) }))
    .filter((one) => one.rank < 2)
    .sort((a, b) => a.rank - b.rank || a.at - b.at)
    .map((one) => one.entry);
}
