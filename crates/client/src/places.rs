//! Clusters, pools, nodes.

use wire::NodeState;
use wire::supply::{Cluster, NodeChange, NodeChanged, Pool, Systems};

use crate::{Client, ClientError, Pages};

impl Client {
    pub async fn systems(&self) -> Result<Systems, ClientError> {
        self.read(self.get(&["v1", "systems"])).await
    }
    pub fn clusters(&self) -> Pages<Cluster> {
        Pages::new(self, &["v1", "clusters"], Vec::new())
    }
    pub fn pools(&self) -> Pages<Pool> {
        Pages::new(self, &["v1", "pools"], Vec::new())
    }
    /// `pool` is a name or an id.
    pub async fn set_node(&self, pool: &str, node: &str, state: NodeState) -> Result<NodeChanged, ClientError> {
        let call = self.post(&["v1", "pools", pool, "nodes", node]);
        self.read(call.json(&NodeChange { state }).repeatable()).await
    }
}
