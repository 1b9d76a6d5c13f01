// The settings of a Slurm cluster from the fields of the registration form, in the words of the operations guide. Paths to secrets, never secrets.
import type { Values } from './form';

export type WayKind = 'ssh' | 'rest' | 'command';

const given = (pairs: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(pairs).filter((pair): pair is [string, string] => Boolean(pair[1])));

function wayOf(values: Values): Record<string, unknown> {
  const { kind, host, user, key, known, jump, bin, conf, endpoint, api, token, through } = values;
  if (kind === 'command') return { kind, tools: given({ slurm_conf: conf, bin }) };
  if (kind === 'rest') return { kind, rest: { ...given({ endpoint, version: api, token_file: token }), ...(through ? { through: { host: through } } : {}) } };
  return { kind: 'ssh', ssh: given({ host, user, key, known_hosts: known, jump }), tools: given({ bin }) };
}

export function slurmOf(values: Values): Record<string, unknown> {
  const partitions = (values.partitions ?? '').split(/[\s,，]+/).filter(Boolean);
  return { work_root: values.work ?? '', way: wayOf(values), ...(partitions.length > 0 ? { partitions } : {}) };
}
