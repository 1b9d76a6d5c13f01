// Names for the API's types that the pages use. Knows only the generated schema.
import type { components } from './schema';

type Schemas = components['schemas'];
export type Amounts = Schemas['Amounts'];
export type Attempt = Schemas['Attempt'];
export type Bill = Schemas['Bill'];
export type BillLine = Schemas['BillLine'];
export type SpendRow = Schemas['SpendRow'];
export type Held = Schemas['Held'];
export type Budget = Schemas['Budget'];
export type BudgetSet = Schemas['BudgetSet'];
export type Candidate = Schemas['Candidate'];
export type Contract = Schemas['Contract'];
export type ContractMonth = Schemas['ContractMonth'];
export type Commitment = Schemas['Commitment'];
export type Correction = Schemas['Correction'];
export type Explanation = Schemas['Explanation'];
export type Event = Schemas['Event'];
export type FieldError = Schemas['FieldError'];
export type FileEntry = Schemas['Page_FileEntry']['items'][number];
export type Grant = Schemas['Grant'];
export type Interval = Schemas['Interval'];
export type Job = Schemas['Job'];
export type JobState = Schemas['JobState'];
export type JobSubmit = Schemas['JobSubmit'];
export type JobSummary = Schemas['JobSummary'];
/** Data of the event `end` of a followed log (`wire::job::LogEnd`); no operation answers with it, so the document lacks it. */
export interface LogEnd {
  size: number;
}
export type LogPiece = Schemas['LogPiece'];
export type LogFound = Schemas['LogFound'];
export type LogPlace = Schemas['LogPlace'];
export type NodeState = Schemas['NodeState'];
export type MailNotices = Schemas['MailNotices'];
export type NoticeKind = Schemas['NoticeKind'];
export type Notices = Schemas['Notices'];
export type Pool = Schemas['Pool'];
export type Problem = Schemas['Problem'];
export type Project = Schemas['Page_Project']['items'][number];
export type ProjectMember = Schemas['Page_ProjectMember']['items'][number];
export type ProjectRole = Schemas['ProjectRole'];
export type Quote = Schemas['Quote'];
export type Role = Schemas['Role'];
export type Scope = Schemas['Scope'];
export type Statement = Schemas['TenantStatement'];
export type StatementDetail = Schemas['StatementDetail'];
export type StatementPart = Schemas['StatementPart'];
export type Token = Schemas['Page_Token']['items'][number];
export type Transfer = Schemas['Page_Transfer']['items'][number];
export type UsageSum = Schemas['UsageSum'];
export type User = Schemas['Page_User']['items'][number];
export type Wallet = Schemas['Wallet'];
export type Warning = Schemas['Warning'];
export type WhoAmI = Schemas['WhoAmI'];
export type Webhook = Schemas['Webhook'];
