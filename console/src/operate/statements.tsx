export const StatementsPage = () => null;
