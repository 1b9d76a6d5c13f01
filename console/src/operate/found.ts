// Searching the audit log's page at hand.
import type { Schemas } from './queries';

/** Whether every word stands somewhere in an entry. */
export const found = (entry: Schemas['AuditEntry'], words: string): boolean => {
  const text = [entry.action, entry.actor.name, entry.actor.kind, entry.target, entry.detail].join(' ').toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
};
