// One dialog for everything that the operator changes: fields, what the server says of them, and the button that does it.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { asProblem } from '../api/problem';
import { ErrorNote } from '../ui/parts';
import type { Option } from './parts';
import { dayAt } from './period';

export interface Field {
  name: string;
  label: string;
  kind?: 'text' | 'money' | 'number' | 'select' | 'area' | 'password' | 'date' | 'month' | 'check';
  options?: readonly Option[];
  value?: string;
  required?: boolean;
  hint?: string;
  wide?: boolean;
}

export type Values = Record<string, string>;

interface Props {
  title: string;
  fields: readonly Field[];
  /** Words of the button that does it. */
  act: string;
  send: (values: Values) => Promise<unknown>;
  onClose: () => void;
  /** What is shown in place of the form when it is done; closed at once when left out. */
  done?: (answer: unknown) => ReactNode;
  danger?: boolean;
  children?: ReactNode;
  /** What stands behind the fields. */
  more?: ReactNode;
}

/** Values of a form by name; a box that is not ticked is an empty text. */
export const valuesOf = (form: HTMLFormElement): Values =>
  Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, typeof value === 'string' ? value.trim() : '']));

/** What was filled in; empty texts are left out, so that the server's defaults count. */
export const filled = <K extends string>(values: Values, ...names: K[]): { [P in K]?: string } =>
  Object.fromEntries(names.filter((name) => values[name]).map((name) => [name, values[name]])) as { [P in K]?: string };

/** The midnight (UTC) with which a day begins. */
export const dayStart = (day: string | undefined): string | undefined => dayAt(day, undefined) || undefined;

export function FormDialog({ title, fields, act, send, onClose, done, danger, children, more }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const sending = useMutation({
    mutationFn: send,
    onSuccess: () => {
      void client.invalidateQueries();
      if (!done) onClose();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    sending.mutate(valuesOf(event.currentTarget));
  };
  return (
    <dialog ref={dialog} className="sheet" onClose={onClose} aria-labelledby="sheet-title">
      <h2 id="sheet-title">{title}</h2>
      {done && sending.isSuccess ? (
        <>
          {done(sending.data)}
          <div className="sheet-go">
            <button type="button" className="button button-primary" onClick={onClose}>
              {t('op.close')}
            </button>
          </div>
        </>
      ) : (
        <form onSubmit={submit}>
          {children}
          <div className="sheet-fields">
            {fields.map((field) => (
              <FieldLine key={field.name} field={field} />
            ))}
          </div>
          {more}
          {sending.error && <Refusal error={sending.error} />}
          <div className="sheet-go">
            <button type="button" className="button" onClick={onClose}>
              {t('op.cancel')}
            </button>
            <button type="submit" className={danger ? 'button button-danger' : 'button button-primary'} disabled={sending.isPending}>
              {act}
            </button>
          </div>
        </form>
      )}
    </dialog>
  );
}

/** What the server refused, with the lines and fields it names. */
export function Refusal({ error }: { error: unknown }) {
  const problem = asProblem(error);
  // What the problem says in whole is not said again.
  const errors = problem.errors.filter((fault) => fault.line != null || !problem.detail.includes(fault.message));
  return (
    <>
      <ErrorNote error={error} />
      {errors.length > 0 && (
        <ul className="marks marks-fault" lang="en">
          {errors.map((fault) => (
            <li key={`${fault.line} ${fault.message}`}>
              {fault.line != null && <span className="marks-line">{fault.line}</span>}
              <span>{fault.message}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

const TYPES = { text: 'text', money: 'text', number: 'text', password: 'password', date: 'date', month: 'month' } as const;

export function FieldLine({ field }: { field: Field }) {
  const { name, label, kind = 'text', value, hint } = field;
  const common = { name, defaultValue: value, required: field.required, className: 'field' } as const;
  if (kind === 'check') {
    return (
      <label className="sheet-check">
        <input type="checkbox" name={name} value="1" defaultChecked={value === '1'} /> {label}
      </label>
    );
  }
  return (
    <label className={field.wide || kind === 'area' ? 'sheet-wide' : undefined}>
      <span className="sheet-label">{label}</span>
      {kind === 'select' ? (
        <select {...common}>
          {(field.options ?? []).map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      ) : kind === 'area' ? (
        <textarea {...common} rows={6} spellCheck={false} />
      ) : (
        <input
          {...common}
          type={TYPES[kind]}
          autoComplete={kind === 'password' ? 'new-password' : 'off'}
          spellCheck={false}
          {...(kind === 'money' ? { inputMode: 'decimal' as const, pattern: '-?[0-9]+([.][0-9]{1,6})?' } : {})}
          {...(kind === 'number' ? { inputMode: 'decimal' as const, pattern: '[0-9]+([.][0-9]+)?' } : {})}
        />
      )}
      {hint && <span className="sheet-hint">{hint}</span>}
    </label>
  );
}

/** A button that opens a dialog; whoever may not change sees none. */
export function ActButton({ words, primary, small, children }: { words: string; primary?: boolean; small?: boolean; children: (close: () => void) => ReactNode }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" className={['button', primary && 'button-primary', small && 'button-small'].filter(Boolean).join(' ')} onClick={() => setOpen(true)}>
        {words}
      </button>
      {open && children(() => setOpen(false))}
    </>
  );
}
