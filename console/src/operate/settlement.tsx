export const SettlementPage = () => null;
