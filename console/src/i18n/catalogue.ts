// Every text a reader meets, in both languages, from one file for each area of the page; a section stands in one file only.
import accountEn from './en/account.json';
import frameEn from './en/frame.json';
import jobsEn from './en/jobs.json';
import moneyEn from './en/money.json';
import noticesEn from './en/notices.json';
import operateEn from './en/operate.json';
import operateBusinessEn from './en/operate-business.json';
import operateClustersEn from './en/operate-clusters.json';
import operatePeopleEn from './en/operate-people.json';
import operatePlacementEn from './en/operate-placement.json';
import operateTwinEn from './en/operate-twin.json';
import tenantEn from './en/tenant.json';
import accountZh from './zh/account.json';
import frameZh from './zh/frame.json';
import jobsZh from './zh/jobs.json';
import moneyZh from './zh/money.json';
import noticesZh from './zh/notices.json';
import operateZh from './zh/operate.json';
import operateBusinessZh from './zh/operate-business.json';
import operateClustersZh from './zh/operate-clusters.json';
import operatePeopleZh from './zh/operate-people.json';
import operatePlacementZh from './zh/operate-placement.json';
import operateTwinZh from './zh/operate-twin.json';
import tenantZh from './zh/tenant.json';

export const en = { ...accountEn, ...frameEn, ...jobsEn, ...moneyEn, ...noticesEn, ...operateEn, ...operateBusinessEn, ...operateClustersEn, ...operatePeopleEn, ...operatePlacementEn, ...operateTwinEn, ...tenantEn };
export const zh = { ...accountZh, ...frameZh, ...jobsZh, ...moneyZh, ...noticesZh, ...operateZh, ...operateBusinessZh, ...operateClustersZh, ...operatePeopleZh, ...operatePlacementZh, ...operateTwinZh, ...tenantZh };
