// Taking a supplier's statement in: its CSV file, and how it is read, unless that was kept with an earlier one.
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { FormDialog, type Values } from './form';
import { mappingOf } from './mapping';
import { MappingFields, type Start } from './mapping-fields';
import { dayAt } from './period';
import { once, type Schemas } from './queries';
import { decoded, headings, separator, type StatementText } from './statement-file';

type Supplier = Schemas['Supplier'];

/** How the file is read: as the form says, or as it was kept. */
async function readingOf(values: Values, csv: string, supplier: Supplier, asKept: boolean): Promise<Omit<Schemas['StatementMapping'], 'supplier' | 'statement' | 'from' | 'to'>> {
  if (asKept) return (await unwrap(api.GET('/v1/suppliers/{supplier}/mapping', { params: { path: { supplier: supplier.name } } }))).mapping;
  return { ...mappingOf(values), currency: supplier.currency, delimiter: separator(csv, Number(values.skipFirst)) };
}

export function ImportDialog({ suppliers, onClose }: { suppliers: readonly Supplier[]; onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [file, setFile] = useState<StatementText>();
  const [supplier, setSupplier] = useState(suppliers[0]);
  const [anew, setAnew] = useState(false);
  const [start, setStart] = useState<Start>({ skip: 0, headless: false });
  const csv = file?.text ?? '';
  const asKept = !anew && supplier?.mapping_of != null;
  const send = async (values: Values) => {
    if (!supplier) return;
    const reading = await readingOf(values, csv, supplier, asKept);
    const day = (name: string) => dayAt(values[name], reading.times?.offset);
    const mapping = { ...reading, supplier: supplier.name, statement: values.statement ?? '', from: day('from'), to: day('to') };
    const settlement = await unwrap(api.POST('/v1/settlements', { params: { header: once() }, body: { csv, mapping, keep: Boolean(values.keep) } }));
    await navigate({ to: '/operate/business/settlements/$settlement', params: { settlement: String(settlement.number) } });
  };
  return (
    <FormDialog
      title={t('opBiz.import')}
      act={t('opBiz.importGo')}
      onClose={onClose}
      send={send}
      fields={[
        { name: 'statement', label: t('opBiz.theirNumber'), required: true, wide: true },
        { name: 'from', label: t('op.period.from'), kind: 'date', required: true },
        { name: 'to', label: t('opBiz.toExcluded'), kind: 'date', required: true },
      ]}
      more={!asKept && <MappingFields columns={headings(csv, start.skip, !start.headless)} start={start} onStart={setStart} />}
    >
      <p className="faint">{t('opBiz.importText')}</p>
      <div className="sheet-fields">
        <label>
          <span className="sheet-label">{t('opBiz.by.supplier')}</span>
          <select className="field" name="supplier" value={supplier?.name} onChange={(event) => setSupplier(suppliers.find(({ name }) => name === event.target.value))}>
            {suppliers.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          <span className="sheet-label">{t('opBiz.file')}</span>
          <input type="file" name="file" accept=".csv,text/csv,text/plain" required className="file" onChange={(event) => void event.target.files?.[0]?.arrayBuffer().then((bytes) => setFile(decoded(bytes)))} />
          {file && file.encoding !== 'UTF-8' && <span className="sheet-hint">{t('opBiz.readAs', { encoding: file.encoding })}</span>}
        </label>
        {supplier?.mapping_of != null && (
          <label className="sheet-check">
            <input type="checkbox" name="asKept" checked={!anew} onChange={(event) => setAnew(!event.target.checked)} /> {t('opBiz.asKept', { number: supplier.mapping_of })}
          </label>
        )}
      </div>
    </FormDialog>
  );
}
