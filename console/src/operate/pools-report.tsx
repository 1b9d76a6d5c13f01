export const PoolsReportPage = () => null;
