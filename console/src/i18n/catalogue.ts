// Every text a reader meets, in both languages, from one file for each area of the page; a section stands in one file only.
import frameEn from './en/frame.json';
import jobsEn from './en/jobs.json';
import operateEn from './en/operate.json';
import tenantEn from './en/tenant.json';
import frameZh from './zh/frame.json';
import jobsZh from './zh/jobs.json';
import operateZh from './zh/operate.json';
import tenantZh from './zh/tenant.json';

export const en = { ...frameEn, ...jobsEn, ...operateEn, ...tenantEn };
export const zh = { ...frameZh, ...jobsZh, ...operateZh, ...tenantZh };
