// Files brought in one after another, with how far they are; one may stop and go on later with the same file.
import { useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { type DragEvent, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { asProblem } from '../api/problem';
import { bring, type Progress } from '../api/upload';
import { useFormat } from '../ui/hooks';

export function Bring({ project, folder }: { project: string; folder: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const picker = useRef<HTMLInputElement>(null);
  const control = useRef<AbortController>(undefined);
  const [now, setNow] = useState<{ name: string; size: number; progress: Progress }>();
  const [told, setTold] = useState('');
  useEffect(() => () => control.current?.abort(), []);

  const start = async (files: File[]) => {
    const { signal } = (control.current = new AbortController());
    setTold('');
    try {
      for (const file of files) {
        const tell = (progress: Progress) => setNow({ name: file.name, size: file.size, progress });
        tell({ phase: 'digest', done: 0 });
        await bring(file, folder ? `${folder}/${file.name}` : file.name, project || undefined, signal, tell);
      }
      setTold(t('space.brought', { count: files.length }));
    } catch (error) {
      const problem = asProblem(error);
      setTold(signal.aborted ? t('space.stopped') : t(`error.${problem.code}`, { defaultValue: problem.detail }));
    }
    setNow(undefined);
    void client.invalidateQueries({ queryKey: ['files'] });
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    if (!now) void start([...event.dataTransfer.files]);
  };
  const share = now && now.size > 0 ? Math.round((now.progress.done / now.size) * 100) : 0;
  return (
    <div className="bring" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <span role="status" className="faint">
        {!now && told}
        {now?.progress.phase === 'digest' && t('space.reading', { name: now.name, share: format.number(share, 0) })}
        {now?.progress.phase === 'send' && t('space.sending', { name: now.name, share: format.number(share, 0) })}
      </span>
      {now ? (
        <Button onClick={() => control.current?.abort()}>{t('space.stop')}</Button>
      ) : (
        <Button type="primary" onClick={() => picker.current?.click()}>
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
    </div>
  );
}
