export const ClusterPage = () => null;
