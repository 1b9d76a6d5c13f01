// Files brought in one after another, with how far they are; one may stop and go on later with the same file.
import { type QueryKey, useQueryClient } from '@tanstack/react-query';
import { App, Button } from 'antd';
import { type DragEvent, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { asProblem } from '../api/problem';
import { bring, type Progress } from '../api/upload';
import { useFormat } from '../ui/hooks';

interface Goal {
  send: (file: File, replace: boolean, signal: AbortSignal, tell: (progress: Progress) => void) => Promise<void>;
  /** What is asked for anew afterwards. */
  touched: QueryKey;
  /** Bytes of one file at most. */
  most?: number;
}

interface Told {
  words: string;
  /** The server's own, which are English. */
  more?: string;
}

export interface Bringing {
  now: { name: string; size: number; progress: Progress } | undefined;
  told: Told | undefined;
  start: (files: File[]) => Promise<void>;
  stop: () => void;
}

/** Problems of which the server's words say more than their name. */
const SPOKEN = new Set(['invalid', 'wrong_state', 'cluster_unavailable']);

export function useBringing({ send, touched, most }: Goal): Bringing {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const { modal } = App.useApp();
  const control = useRef<AbortController>(undefined);
  const [now, setNow] = useState<Bringing['now']>();
  const [told, setTold] = useState<Told>();
  useEffect(() => () => control.current?.abort(), []);

  const one = async (file: File, signal: AbortSignal): Promise<boolean> => {
    const tell = (progress: Progress) => setNow({ name: file.name, size: file.size, progress });
    tell({ phase: 'digest', done: 0 });
    try {
      await send(file, false, signal, tell);
    } catch (error) {
      if (signal.aborted || asProblem(error).code !== 'file_exists') throw error;
      const over = await modal.confirm({ title: t('space.overAsk', { name: file.name }), content: t('space.overText'), okText: t('space.over'), cancelText: t('space.keep') });
      if (!over) return false;
      await send(file, true, signal, tell);
    }
    return true;
  };
  const start = async (files: File[]) => {
    const { signal } = (control.current = new AbortController());
    setTold(undefined);
    let count = 0;
    try {
      for (const file of files) {
        if (most !== undefined && file.size > most) {
          setTold({ words: t('space.tooLarge', { name: file.name, most: format.bytes(most) }) });
          break;
        }
        if (await one(file, signal)) count += 1;
        setTold({ words: t('space.brought', { count }) });
      }
    } catch (error) {
      const problem = asProblem(error);
      const words = t(`error.${problem.code}`, { defaultValue: problem.detail });
      setTold(signal.aborted ? { words: t('space.stopped') } : SPOKEN.has(problem.code) ? { words, more: problem.detail } : { words });
    }
    setNow(undefined);
    void client.invalidateQueries({ queryKey: touched });
  };
  return { now, told, start, stop: () => control.current?.abort() };
}

/** What makes an element take files that are dropped on it. */
export const dropOf = ({ now, start }: Bringing) => ({
  onDragOver: (event: DragEvent) => event.preventDefault(),
  onDrop: (event: DragEvent) => {
    event.preventDefault();
    if (!now && event.dataTransfer.files.length > 0) void start([...event.dataTransfer.files]);
  },
});

export function BringBar({ bringing: { now, told, start, stop }, small }: { bringing: Bringing; small?: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const picker = useRef<HTMLInputElement>(null);
  const share = now && now.size > 0 ? Math.round((now.progress.done / now.size) * 100) : 0;
  const size = small ? 'small' : 'middle';
  return (
    <>
      <span role="status" className="faint bring-told">
        {!now && told?.words}
        {!now && told?.more && <span lang="en">{` (${told.more})`}</span>}
        {now?.progress.phase === 'digest' && t('space.reading', { name: now.name, share: format.number(share, 0) })}
        {now?.progress.phase === 'send' && t('space.sending', { name: now.name, share: format.number(share, 0) })}
      </span>
      {now ? (
        <Button size={size} onClick={stop}>{t('space.stop')}</Button>
      ) : (
        <Button size={size} type={small ? 'default' : 'primary'} onClick={() => picker.current?.click()}>
          {t('space.bring')}
        </Button>
      )}
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        aria-label={t('space.bring')}
        onChange={(event) => {
          const chosen = [...(event.target.files ?? [])];
          event.target.value = '';
          if (chosen.length > 0) void start(chosen);
        }}
      />
    </>
  );
}

export function Bring({ project, folder }: { project: string; folder: string }) {
  const bringing = useBringing({
    send: (file, _replace, signal, tell) => bring(file, folder ? `${folder}/${file.name}` : file.name, project || undefined, signal, tell),
    touched: ['files'],
  });
  return (
    <div className="bring" {...dropOf(bringing)}>
      <BringBar bringing={bringing} />
    </div>
  );
}
