export const PlacementPage = () => null;
