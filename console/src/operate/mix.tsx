export const MixPage = () => null;
