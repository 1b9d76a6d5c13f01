//! Tenants as the API shows them.

use super::{tenant_status, tier};

pub fn tenant(tenant: model::Tenant) -> wire::people::Tenant {
    wire::people::Tenant {
        id: tenant.id,
        name: tenant.name.to_string(),
        currency: tenant.currency.to_string(),
        shares: tenant.shares,
        status: tenant_status(tenant.status),
        tier: tier(tenant.tier),
        regions: tenant.regions.iter().map(ToString::to_string).collect(),
    }
}
