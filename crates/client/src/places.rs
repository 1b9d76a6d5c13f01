//! Clusters, pools, nodes.

use base::ReportId;
use wire::cluster::{ClusterCreate, ClusterCreated, ClusterDetail, ClusterReport, ServiceChange, ServiceChanged};
use wire::cost::{PoolCostDone, PoolCostSet};
use wire::place::{Place, PlaceChange};
use wire::supply::{Cluster, NodeChange, NodeChanged, Pool, Systems};
use wire::{ClusterService, NodeState, ReportKind};

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

    /// Says what a pool costs from now on; `pool` is a name or an id.
    pub async fn set_pool_cost(&self, pool: &str, cost: &PoolCostSet) -> Result<PoolCostDone, ClientError> {
        self.read(self.put(&["v1", "pools", pool, "cost"]).json(cost).once(None)).await
    }

    /// Registers a cluster, or another way to a registered one.
    pub async fn register_cluster(&self, cluster: &ClusterCreate) -> Result<ClusterCreated, ClientError> {
        self.read(self.post(&["v1", "clusters"]).json(cluster).once(None)).await
    }
    /// `cluster` is a name or an id, here and below.
    pub async fn cluster(&self, cluster: &str) -> Result<ClusterDetail, ClientError> {
        self.read(self.get(&["v1", "clusters", cluster])).await
    }
    /// Begins a check or a trial; its report is read by [`Client::cluster_report`].
    pub async fn examine_cluster(&self, cluster: &str, kind: ReportKind) -> Result<ClusterReport, ClientError> {
        self.read(self.post(&["v1", "clusters", cluster, kind.as_str()])).await
    }
    /// Says where a cluster stands; `None`: nobody does.
    pub async fn place_cluster(&self, cluster: &str, place: Option<Place>) -> Result<PlaceChange, ClientError> {
        let call = self.put(&["v1", "clusters", cluster, "place"]);
        self.read(call.json(&PlaceChange { place })).await
    }
    pub async fn set_service(
        &self,
        cluster: &str,
        service: ClusterService,
        force: bool,
    ) -> Result<ServiceChanged, ClientError> {
        let call = self.post(&["v1", "clusters", cluster, "service"]);
        self.read(call.json(&ServiceChange { service, force }).repeatable()).await
    }
    /// Checks and trials that are kept, newest first.
    pub fn cluster_reports(&self, cluster: &str) -> Pages<ClusterReport> {
        Pages::new(self, &["v1", "clusters", cluster, "reports"], Vec::new())
    }
    pub async fn cluster_report(&self, cluster: &str, report: ReportId) -> Result<ClusterReport, ClientError> {
        self.read(self.get(&["v1", "clusters", cluster, "reports", &report.to_string()])).await
    }
}
