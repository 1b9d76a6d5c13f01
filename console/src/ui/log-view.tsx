// A job's output as it is written: follows the end while one looks there, keeps a bounded part, fetches what is before.
import { Button, Segmented, Switch } from 'antd';
import { memo, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { ApiProblem, asProblem } from '../api/problem';
import { openStream } from '../api/sse';
import type { Job, LogEnd, LogPiece } from '../api/types';
import { isOpen } from '../lib/jobs';
import { append, emptyLog, type LogBlock, type LogText, prepend, settle, wholeText } from '../lib/log-buffer';
import { useFormat } from './hooks';
import { LogFind } from './log-find';
import { PART_BYTES, readPart, usePast } from './log-past';
import { LogWhole } from './log-whole';
import { Section } from './parts';

export type LogStream = 'stdout' | 'stderr';

/** Near enough to the end to count as being there. */
const NEAR_END_PX = 40;
/** Pieces that arrive together are shown together: one layout for many lines, at most ten a second. */
const GATHER_MS = 100;

/** Whether long lines are wrapped, as chosen last. */
const WRAP = 'hw.wrap';

type Status = 'connecting' | 'open' | 'lost' | 'none' | 'complete' | { refused: ApiProblem };

/** Follows the log of one job and stream; a new one of either starts over. */
function useLog(job: Job, stream: LogStream) {
  const [log, setLog] = useState<LogText>(emptyLog);
  const [status, setStatus] = useState<Status>('connecting');
  const [size, setSize] = useState(0);
  const attempts = job.attempts.length;
  const started = Boolean(job.started_at);
  const open = isOpen(job.state);

  useEffect(() => {
    setLog(emptyLog());
    setSize(0);
    if (!started) {
      setStatus(open ? 'connecting' : 'none');
      return undefined;
    }
    const control = new AbortController();
    const utf8 = new TextEncoder();
    let next: number | undefined;
    let gathered: LogPiece[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      timer = undefined;
      const pieces = gathered;
      gathered = [];
      setLog((before) => {
        const from = before.blocks.length === 0 ? (pieces[0]?.offset ?? 0) : before.from;
        return append({ ...before, from }, settle(pieces.map((piece) => piece.text).join('')));
      });
      setSize(next ?? 0);
    };
    void openStream({
      // After a lost link the stream goes on at the byte after the last one seen.
      url: () => `/v1/jobs/${job.id}/logs/follow?stream=${stream}&offset=${next ?? -PART_BYTES}`,
      signal: control.signal,
      onStatus: (now) => setStatus((before) => (before === 'complete' ? before : before === 'none' && now !== 'open' ? before : now)),
      onRefused: (problem) => {
        // No file yet: it may come while the job runs.
        if (problem.status === 404) {
          setStatus('none');
          return open;
        }
        setStatus({ refused: problem });
        return false;
      },
      onMessage: (message) => {
        if (message.event === 'end') {
          setSize((JSON.parse(message.data) as LogEnd).size);
          setStatus('complete');
          control.abort();
          if (gathered.length > 0) flush();
          return;
        }
        if (message.event !== 'log') return;
        const piece = JSON.parse(message.data) as LogPiece;
        // After a resumed link a piece may come twice.
        if (next !== undefined && piece.offset < next) return;
        // The server says where the next piece begins: bytes that are no text show as U+FFFD, which is longer.
        next = Number(message.id ?? piece.offset + utf8.encode(piece.text).length);
        gathered.push(piece);
        timer ??= setTimeout(flush, GATHER_MS);
      },
    });
    return () => {
      clearTimeout(timer);
      control.abort();
    };
    // `open` is left out on purpose: a job's end does not start its log over, the stream's own `end` closes it.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [job.id, stream, attempts, started]);

  const earlier = useCallback(async () => {
    const from = Math.max(0, log.from - PART_BYTES);
    const part = await readPart(job, stream, from, log.from - from);
    setLog((now) => (now.from === log.from ? prepend(now, part.text, part.from) : now));
  }, [job, stream, log.from]);

  return { log, status, size, earlier };
}

const Block = memo(function Block({ block }: { block: LogBlock }) {
  return <div className="log-block">{block.text}</div>;
});

interface Props {
  job: Job;
  stream: LogStream;
  onStream: (stream: LogStream) => void;
}

export function LogView({ job, stream, onStream }: Props) {
  const { t } = useTranslation();
  const { log: tail, status, size, earlier } = useLog(job, stream);
  const { past, ...parts } = usePast(job, stream);
  const log = past?.log ?? tail;
  const [whole, setWhole] = useState<string>();
  const format = useFormat();
  const box = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const [wrap, setWrap] = useState(() => localStorage.getItem(WRAP) !== 'no');
  const [copied, setCopied] = useState(false);
  const [failed, setFailed] = useState<ApiProblem>();

  useLayoutEffect(() => {
    if (atEnd && !past && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [log, atEnd, wrap, past]);
  useEffect(() => {
    setAtEnd(true);
    setWhole(undefined);
  }, [stream]);

  useEffect(() => localStorage.setItem(WRAP, wrap ? 'yes' : 'no'), [wrap]);

  const onScroll = () => {
    const el = box.current;
    if (el) setAtEnd(el.scrollHeight - el.scrollTop - el.clientHeight < NEAR_END_PX);
  };
  const more = async () => {
    setAtEnd(false);
    const el = box.current;
    const fromEnd = el ? el.scrollHeight - el.scrollTop : 0;
    try {
      await (past ? parts.earlier() : earlier());
      // Hold the line under the eye where it is.
      requestAnimationFrame(() => el && (el.scrollTop = el.scrollHeight - fromEnd));
      setFailed(undefined);
    } catch (error) {
      setFailed(asProblem(error));
    }
  };
  const show = async (offset: number) => {
    setAtEnd(false);
    try {
      await parts.show(offset);
      setFailed(undefined);
    } catch (error) {
      setFailed(asProblem(error));
    }
  };
  const copy = async () => {
    await navigator.clipboard.writeText(wholeText(log));
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };

  const empty = log.blocks.length === 0;
  const refused = typeof status === 'object' ? status.refused : failed;
  return (
    <Section
      flush
      title={t('job.log')}
      aside={
        <Segmented<LogStream>
          size="small"
          value={stream}
          onChange={onStream}
          aria-label={t('log.stream')}
          options={[
            { value: 'stdout', label: t('log.stdout') },
            { value: 'stderr', label: t('log.stderr') },
          ]}
        />
      }
    >
      <div className="log-frame">
        <div ref={box} className={`log${wrap ? ' log-wrap' : ''}${empty ? ' log-idle' : ''}`} onScroll={onScroll} tabIndex={0} role="log" aria-live="off" aria-label={t('job.log')}>
          {!empty && log.from > 0 && (
            <Button size="small" className="log-earlier" onClick={() => void more()}>
              {t('log.earlier', { size: format.bytes(log.from) })}
            </Button>
          )}
          {log.blocks.map((block) => (
            <Block key={block.key} block={block} />
          ))}
          {past?.more && (
            <Button size="small" className="log-later" onClick={() => void parts.later().catch((error: unknown) => setFailed(asProblem(error)))}>
              {t('log.later')}
            </Button>
          )}
          {empty && <LogEmpty job={job} status={status} stream={stream} />}
        </div>
        {(!atEnd || past) && !empty && (
          <Button
            className="log-end"
            size="small"
            type="primary"
            onClick={() => {
              parts.leave();
              setAtEnd(true);
            }}
          >
            {t('log.end')}
          </Button>
        )}
      </div>
      {refused && (
        <p className="pad bad-text" role="alert">
          {t('log.refused', { why: t(`error.${refused.code}`, { defaultValue: refused.detail }) })}
        </p>
      )}
      {!empty && <LogFind box={box} version={log} onShow={() => setAtEnd(false)} place={past?.place} onWhole={log.from > 0 || past ? setWhole : undefined} />}
      {whole !== undefined && <LogWhole job={job} stream={stream} text={whole} onShow={(offset) => void show(offset)} onClose={() => setWhole(undefined)} />}
      <div className="log-foot">
        <span className="faint" role="status">
          {status === 'complete' && !empty && t('log.complete', { size: format.bytes(size) })}
          {status === 'open' && !empty && `${t('log.following')} · ${format.bytes(size)}`}
          {status === 'lost' && <span className="warn-text">{t('log.lost')}</span>}
        </span>
        <label className="switch">
          <Switch size="small" checked={wrap} onChange={setWrap} />
          {t('log.wrap')}
        </label>
        {/* Browsers offer the clipboard to secure origins only. */}
        {window.isSecureContext && !empty && (
          <Button size="small" onClick={() => void copy()}>
            {copied ? t('log.copied') : t('log.copy')}
          </Button>
        )}
      </div>
    </Section>
  );
}

function LogEmpty({ job, status, stream }: { job: Job; status: Status; stream: LogStream }) {
  const { t } = useTranslation();
  if (typeof status === 'object') return null;
  const open = isOpen(job.state);
  const text = open && !job.started_at ? t('log.waiting') : open ? t('log.none') : status === 'connecting' ? t('common.loading') : t('log.noneEver');
  return (
    <div className="log-empty">
      <p>{text}</p>
      {stream === 'stderr' && !job.stderr && <p>{t('log.merged')}</p>}
    </div>
  );
}
