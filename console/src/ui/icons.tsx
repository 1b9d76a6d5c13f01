// The few pictures the page uses, drawn with one pen. Decoration only: a text or label always stands beside them.
import type { ReactNode } from 'react';

/** A picture from its lines. */
export const icon = (drawing: ReactNode) =>
  function Icon() {
    return (
      <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
        {drawing}
      </svg>
    );
  };

export const HomeIcon = icon(<path d="M4 11l8-7 8 7v9h-5v-6H9v6H4z" />);
export const JobsIcon = icon(<path d="M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01" />);
export const PoolsIcon = icon(<path d="M4 4h16v6H4zM4 14h16v6H4zM8 7h.01M8 17h.01" />);
export const SubmitIcon = icon(<path d="M12 5v14M5 12h14" />);
export const SearchIcon = icon(<path d="M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500L20 20" />);
export const SunIcon = icon(<path d="M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.500 1.500M17.500 17.500L19 19M19 5l-1.500 1.500M6.500 17.500L5 19" />);
export const FilesIcon = icon(<path d="M4 5h6l2 3h8v11H4z" />);
export const MoneyIcon = icon(<path d="M4 7h16v12H4zM4 11h16M4 7l11-3v3M15 15h2" />);
export const UserIcon = icon(<path d="M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4 21c0-4.500 3.500-7 8-7s8 2.500 8 7" />);
export const BackIcon = icon(<path d="M14 6l-6 6 6 6" />);
export const NextIcon = icon(<path d="M10 6l6 6-6 6" />);
export const LanguageIcon = icon(<path d="M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18" />);

/** The mark: a gate over a dividing canal. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect className="mark-ground" width="32" height="32" rx="7" />
      <path className="mark-gate" d="M7 6v9M25 6v9M7 10.500h18" />
      <path className="mark-water" d="M16 15v4M16 19c0 3-8 2.500-8 7M16 19c0 3 8 2.500 8 7M16 19v7" />
    </svg>
  );
}
