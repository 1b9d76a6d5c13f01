export const AgeingPage = () => null;
