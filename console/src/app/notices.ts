// Tells through the browser that the reader's own jobs have ended, where the reader has allowed it and is not looking.
import type { QueryClient } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';

import { jobQuery } from '../api/queries';
import type { Event, Job } from '../api/types';
import { label } from '../lib/jobs';

const STORED = 'hw.notices';
/** Ends that come together are told together. */
const GATHER_MS = 1_500;
/** Jobs that one notice looks up, and notices shown one by one; more become one that counts. */
const LOOKED_UP = 20;
const SINGLE = 3;

export type NoticeState = 'on' | 'off' | 'denied' | 'missing';

const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());

export function noticeState(): NoticeState {
  // Browsers offer notices to secure origins only.
  if (typeof Notification === 'undefined' || !window.isSecureContext) return 'missing';
  if (Notification.permission === 'denied') return 'denied';
  return Notification.permission === 'granted' && localStorage.getItem(STORED) === 'on' ? 'on' : 'off';
}

export const useNotices = (): NoticeState =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, noticeState);

/** Asks the browser; to be called by a press of a button only. */
export async function turnOn(): Promise<void> {
  if ((await Notification.requestPermission()) === 'granted') {
    localStorage.setItem(STORED, 'on');
    await worker();
  }
  tell();
}

export function turnOff(): void {
  localStorage.removeItem(STORED);
  tell();
}

async function worker(): Promise<ServiceWorkerRegistration | undefined> {
  try {
    return await navigator.serviceWorker?.register('/sw.js');
  } catch {
    return undefined;
  }
}

export interface NoticeTexts {
  one: (job: Job) => { title: string; body: string };
  many: (count: number) => { title: string; body: string };
}

async function show({ title, body }: { title: string; body: string }, path: string): Promise<void> {
  const options = { body, icon: '/icons/icon-192.png', tag: path, data: { path } };
  const registration = await worker();
  if (registration?.active) return registration.showNotification(title, options);
  try {
    const notice = new Notification(title, options);
    notice.onclick = () => window.focus();
  } catch {
    // Some phones show notices of an active worker only; the next one finds it active.
  }
}

/** Gathers ends of jobs and tells those of this user. */
export function noticer(client: QueryClient, user: string, texts: () => NoticeTexts): (event: Event) => void {
  let ended: string[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = async () => {
    timer = undefined;
    const all = ended;
    ended = [];
    if (noticeState() !== 'on' || document.hasFocus()) return;
    const jobs = await Promise.all(all.slice(0, LOOKED_UP).map((job) => client.fetchQuery(jobQuery(job)).catch(() => undefined)));
    const own = jobs.filter((job) => job?.user === user) as Job[];
    if (own.length > SINGLE) return show(texts().many(own.length), '/jobs');
    for (const job of own) await show(texts().one(job), `/jobs/${label(job)}`);
  };
  return (event) => {
    if (event.kind !== 'ended' || !event.job || noticeState() !== 'on') return;
    ended.push(event.job);
    timer ??= setTimeout(() => void flush(), GATHER_MS);
  };
}
