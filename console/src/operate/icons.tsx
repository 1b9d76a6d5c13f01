// The pictures of the operator's frame, with the pen of the page's other ones. Decoration only.
import { icon } from '../ui/icons';

export const GlobeIcon = icon(<path d="M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c4.500 5 4.500 13 0 18M12 3c-4.500 5-4.500 13 0 18" />);
export const ClusterIcon = icon(<path d="M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z" />);
export const PlacementIcon = icon(<path d="M5 6h6M5 12h4M5 18h6M13 12h7M17 8l4 4-4 4" />);
export const TwinIcon = icon(<path d="M4 7h9v9H4zM11 4h9v9h-4M4 20h16" />);
export const BusinessIcon = icon(<path d="M4 20h16M7 16v-5M12 16V6M17 16v-8" />);
export const TenantIcon = icon(<path d="M4 20V8l8-4 8 4v12zM9 20v-6h6v6M9 10h.01M15 10h.01" />);
export const UsersIcon = icon(<path d="M9 5a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7zM2.500 20c0-4 2.500-6 6.500-6s6.500 2 6.500 6M16 5.500a3.500 3.500 0 0 1 0 6.500M18 14.500c2.200.800 3.500 2.600 3.500 5.500" />);
export const AuditIcon = icon(<path d="M6 3h9l4 4v14H6zM9 11h7M9 15h7M9 7h3" />);
export const OperateIcon = icon(<path d="M4 15a8 8 0 0 1 16 0M12 15l4-5M4 19h16" />);
