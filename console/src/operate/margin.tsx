export const MarginPage = () => null;
