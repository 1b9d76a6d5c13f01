//! Registered clusters: the ways to them, the reports that are kept, and the platform's own id.

use base::{ClusterId, ReportId};
use model::{ClusterLink, ClusterReport};
use ports::StoreError;

use crate::codec;
use crate::db::{Columns as _, Row, Sql};
use crate::error::store_error;
use crate::query::build::Select;
use crate::query::page::{Cursor, Page, PageRequest};
use crate::store::SqlStore;

const LINKS: &str = "SELECT v, doc FROM cluster_links";
const REPORTS: &str = "SELECT v, doc FROM cluster_reports";
const PLATFORM: &str = "SELECT id FROM platform WHERE one = 1";

impl SqlStore {
    /// The ways to all registered clusters, by cluster.
    pub async fn cluster_links(&self) -> Result<Vec<ClusterLink>, StoreError> {
        self.list(format!("{LINKS} ORDER BY id"), self.args(), |row| codec::get(row, 0)).await
    }

    pub async fn cluster_link(&self, cluster: ClusterId) -> Result<Option<ClusterLink>, StoreError> {
        let mut select = Select::new(self.kind(), LINKS);
        select.filter("id = ").id(cluster.as_u128());
        self.find(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// What is known of a cluster by checks and trials, newest first.
    pub async fn cluster_reports(
        &self,
        cluster: ClusterId,
        page: PageRequest,
    ) -> Result<Page<ClusterReport>, StoreError> {
        let mut select = Select::new(self.kind(), REPORTS);
        select.filter("cluster = ").id(cluster.as_u128());
        if let Some(after) = page.after() {
            select.filter("id < ").id(after.id);
        }
        select.push(" ORDER BY id DESC LIMIT ").int(page.rows());
        let found: Vec<ClusterReport> = self.list(select.text, select.args, |row| codec::get(row, 0)).await?;
        Ok(page.page(found, |report| Cursor { number: 0, id: report.id.as_u128() }))
    }

    pub async fn cluster_report(&self, id: ReportId) -> Result<Option<ClusterReport>, StoreError> {
        let mut select = Select::new(self.kind(), REPORTS);
        select.filter("id = ").id(id.as_u128());
        self.find(select.text, select.args, |row| codec::get(row, 0)).await
    }

    /// The platform's own id; `fresh` becomes it where there is none yet. Whoever comes first decides for all servers.
    pub async fn platform_id(&self, fresh: u128) -> Result<u128, StoreError> {
        let read = |row: &Row| -> Sql<u128> { row.id(0) };
        if let Some(id) = self.find(PLATFORM, self.args(), read).await? {
            return Ok(id);
        }
        let mut writing = self.writing().await.map_err(store_error)?;
        let mut args = self.args();
        args.id(fresh);
        let insert = "INSERT INTO platform (one, id) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
        writing.conn.execute(insert, args).await.map_err(store_error)?;
        writing.commit().await.map_err(store_error)?;
        let stored = self.find(PLATFORM, self.args(), read).await?;
        stored.ok_or_else(|| StoreError::Corrupt("the platform's id is not kept".into()))
    }
}
