export const TenantPage = () => null;
