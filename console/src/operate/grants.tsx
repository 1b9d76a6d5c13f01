export const GrantsPage = () => null;
