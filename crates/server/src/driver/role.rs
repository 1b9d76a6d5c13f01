//! What this server is at the moment, for readiness, forwarding and metrics.

/// Changes are sent through a watch channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    Starting,
    Active,
    /// Active, but the store cannot write: commands are refused, reads go on.
    Degraded {
        reason: String,
    },
    /// Another server holds the lease, or none while the store cannot be reached.
    Standby {
        holder: Option<String>,
    },
    Stopped,
}

impl Role {
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Active => "active",
            Self::Degraded { .. } => "degraded",
            Self::Standby { .. } => "standby",
            Self::Stopped => "stopped",
        }
    }

    /// The address of the active server, when it is another one.
    pub fn forward_to(&self) -> Option<&str> {
        match self {
            Self::Standby { holder: Some(holder) } => holder.split('#').next().filter(|url| url.starts_with("http")),
            _ => None,
        }
    }
}
