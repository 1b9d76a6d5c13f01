// A plain text field with line numbers, #SBATCH lines in colour and faults at their lines.
// The coloured copy lies under the field letter for letter; the field itself keeps all a browser gives to text.
import { type KeyboardEvent, memo, useMemo, useRef } from 'react';

import { pieces } from '../lib/script';

export interface Mark {
  kind: 'fault' | 'remark';
  line: number | undefined;
  code: string | undefined;
  /** Long name of the option, without its dashes. */
  option: string | undefined;
  text: string;
}

/** Lines that get colours; a larger script is shown plain, so that typing stays quick. */
const COLOURED_LINES_MAX = 2_000;

interface Props {
  value: string;
  label: string;
  placeholder: string;
  marks: readonly Mark[];
  onChange: (value: string) => void;
  onSubmit: () => void;
}

export function ScriptEditor({ value, label, placeholder, marks, onChange, onSubmit }: Props) {
  const under = useRef<HTMLDivElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  const lines = useMemo(() => value.split('\n'), [value]);
  const marked = useMemo(() => new Map(marks.filter((m) => m.line !== undefined).map((m) => [m.line as number, m])), [marks]);
  const coloured = lines.length <= COLOURED_LINES_MAX;
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onSubmit();
    }
  };
  return (
    <div className="editor">
      <div className="editor-gutter" ref={gutter} aria-hidden="true">
        {lines.map((_, i) => (
          <div key={i} className={marked.get(i + 1)?.kind}>
            {i + 1}
          </div>
        ))}
      </div>
      <div className="editor-body">
        <div className="editor-under" ref={under} aria-hidden="true">
          {coloured && lines.map((line, i) => <Line key={i} text={line} mark={marked.get(i + 1)?.kind} />)}
        </div>
        <textarea
          className={coloured ? 'editor-text' : 'editor-text editor-plain'}
          value={value}
          aria-label={label}
          aria-invalid={marks.some((mark) => mark.kind === 'fault')}
          placeholder={placeholder}
          wrap="off"
          spellCheck={false}
          autoCapitalize="none"
          autoCorrect="off"
          rows={Math.min(28, Math.max(14, lines.length + 1))}
          onChange={(event) => onChange(event.target.value)}
          onKeyDown={onKey}
          onScroll={(event) => {
            const { scrollTop, scrollLeft } = event.currentTarget;
            if (under.current) under.current.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
            if (gutter.current) gutter.current.style.transform = `translateY(${-scrollTop}px)`;
          }}
        />
      </div>
    </div>
  );
}

const Line = memo(function Line({ text, mark }: { text: string; mark: Mark['kind'] | undefined }) {
  return (
    <div className={mark ? `editor-line ${mark}` : 'editor-line'}>
      {pieces(text).map((piece, i) => (
        <span key={i} className={`piece-${piece.kind}`}>
          {piece.text}
        </span>
      ))}
      {text === '' && '\u200b'}
    </div>
  );
});
