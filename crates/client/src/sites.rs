//! Sites whose agents dial in.

use wire::sites::{Site, SiteEnroll, SiteEnrolled};

use crate::{Client, ClientError, Pages};

impl Client {
    pub fn sites(&self) -> Pages<Site> {
        Pages::new(self, &["v1", "sites"], Vec::new())
    }
    /// Not repeated by itself: each request makes a token.
    pub async fn enroll_site(&self, site: &SiteEnroll) -> Result<SiteEnrolled, ClientError> {
        self.read(self.post(&["v1", "sites"]).json(site)).await
    }
    pub async fn revoke_site(&self, name: &str) -> Result<Site, ClientError> {
        self.read(self.post(&["v1", "sites", name, "revoke"]).repeatable()).await
    }
}
