// Names for the API's types that the pages use. Knows only the generated schema.
import type { components } from './schema';

type Schemas = components['schemas'];
export type Amounts = Schemas['Amounts'];
export type Attempt = Schemas['Attempt'];
export type Candidate = Schemas['Candidate'];
export type Explanation = Schemas['Explanation'];
export type Event = Schemas['Event'];
export type FieldError = Schemas['FieldError'];
export type Job = Schemas['Job'];
export type JobState = Schemas['JobState'];
export type JobSubmit = Schemas['JobSubmit'];
export type JobSummary = Schemas['JobSummary'];
/** Data of the event `end` of a followed log (`wire::job::LogEnd`); no operation answers with it, so the document lacks it. */
export interface LogEnd {
  size: number;
}
export type LogPiece = Schemas['LogPiece'];
export type NodeState = Schemas['NodeState'];
export type Pool = Schemas['Pool'];
export type Problem = Schemas['Problem'];
export type Quote = Schemas['Quote'];
export type Wallet = Schemas['Wallet'];
export type Warning = Schemas['Warning'];
export type WhoAmI = Schemas['WhoAmI'];
