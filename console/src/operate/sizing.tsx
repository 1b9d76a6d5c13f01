export const SizingPage = () => null;
