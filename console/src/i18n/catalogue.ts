// Every text a reader meets, in both languages, from one file for each area of the page; a section stands in one file only.
import accountEn from './en/account.json';
import frameEn from './en/frame.json';
import jobsEn from './en/jobs.json';
import moneyEn from './en/money.json';
import tenantEn from './en/tenant.json';
import accountZh from './zh/account.json';
import frameZh from './zh/frame.json';
import jobsZh from './zh/jobs.json';
import moneyZh from './zh/money.json';
import tenantZh from './zh/tenant.json';

export const en = { ...frameEn, ...jobsEn, ...tenantEn, ...moneyEn, ...accountEn };
export const zh = { ...frameZh, ...jobsZh, ...tenantZh, ...moneyZh, ...accountZh };
