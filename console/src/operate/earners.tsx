export const EarnersPage = () => null;
